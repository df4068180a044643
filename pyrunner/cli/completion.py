"""``completion``: what makes a shell complete commands, flags and file names."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import ShellComplete, get_completion_class

from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.errors import UsageError

_SHELLS: Final = ("bash", "zsh", "fish")


def run(invocation: Invocation) -> int:
    """Print the script for a shell.

    :raises UsageError: when not exactly one known shell is named.
    """
    if len(invocation.rest) != 1 or invocation.rest[0] not in _SHELLS:
        raise UsageError(f"name one shell: {', '.join(_SHELLS)}")
    click.echo(script(invocation.rest[0], invocation.session.program))
    return 0


def script(shell: str, program: str) -> str:
    """Return what ``shell`` reads to complete calls of ``program``."""
    kind = get_completion_class(shell)
    assert kind is not None
    variable = f"_{program}_COMPLETE".upper().replace("-", "_").replace(".", "_")
    # not the class's own source(): for bash it starts one to ask for its version
    return ShellComplete.source(kind(click.Group(program), {}, program, variable))


COMMAND: Final = RunnerCommand(
    "completion",
    run,
    (),
    help="print the completion script of a shell",
    usage="bash|zsh|fish",
)
