"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click

from pyrunner.cli.examples import EXAMPLES
from pyrunner.cli.group import LazyGroup
from pyrunner.cli.main import COMMANDS
from pyrunner.cli.session import GLOBAL_FLAGS, version_lines

_HEAD: Final = """\
<!-- made by `python -m docsite` from pyrunner/cli: do not edit -->
# Reference of the commands

Made from the program itself: `pyrunner COMMAND --help` shows the same, `pyrunner manual | man -l -` too. What
belongs together is told elsewhere: [registering](../register.md), [services](../service.md),
[exec](../exec.md), [doctor](../doctor.md).

A flag is written `--name value`, `--name=value` or `-name value`; switches take `=false`. `[$NAME]` is the
variable that stands in for a flag. Global flags stand before the command. Exit codes: 0, 1 for every error, 2
for a bug of pyrunner's; where a command has others, its own page says so.
"""
_INTERNAL: Final = """
# Internal commands

For pyrunner's own use, for scripts of jobs, and for looking into problems.
"""


def commands_page() -> str:
    """Return the page."""
    group = LazyGroup(COMMANDS, GLOBAL_FLAGS, version=version_lines, start=lambda *_: None)
    context = click.Context(group, info_name="pyrunner", resilient_parsing=True)
    lines = ["", "## Global flags", "", *_options(group, context)]
    for name in sorted(name for name, entry in COMMANDS.items() if not entry.hidden):
        lines += _command(name, group, context)
    lines.append(_INTERNAL)
    for name in sorted(name for name, entry in COMMANDS.items() if entry.hidden):
        lines += _command(name, group, context)
    return _HEAD + "\n".join(lines) + "\n"


def _command(name: str, group: LazyGroup, parent: click.Context) -> Iterator[str]:
    command = group.get_command(parent, name)
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent, resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context))
    yield from ("", f"## `pyrunner {name}`", "")
    yield from (_sentence((command.help or COMMANDS[name].help).split("\n\n")[0]), "")
    yield from ("```text", f"pyrunner {name} {usage}".rstrip(), "```", "")
    # The helper's commands read their flags themselves: there is no table to look an example's flags up in.
    for example in EXAMPLES.get(name, ()) if command.params else ():
        yield from (f"{_sentence(example.purpose)[:-1]}:", "", "```sh", example.line, "```", "")
    yield from _options(command, context)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield a table of the flags that are not hidden."""
    records = [option.get_help_record(context) for option in command.params]
    rows = [
        f"| {_spelled(record[0])} | {_cell(record[1])} |"
        for record in records
        if record is not None and not record[0].startswith("-h,")
    ]
    if rows:
        yield from ("| flag | effect |", "|---|---|")
        yield from rows


def _spelled(term: str) -> str:
    return f"`{term}`".replace("|", "\\|")


def _cell(text: str) -> str:
    """Return text that stays in one cell of a table and is taken literally."""
    text = " ".join(text.split()) or "see the [configuration](configuration.md)"
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("[$", "\\[$")


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
