"""``manual``: pyrunner(1), made from the commands themselves, in roff."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import click

from pyrunner import COMPATIBLE_VERSION, __version__
from pyrunner.cli.examples import EXAMPLES
from pyrunner.cli.group import Invocation, RunnerCommand

_ABOUT: Final = (
    "pyrunner runs CI jobs of a GitLab instance on machines of your own. It reads the config.toml of "
    f"gitlab-runner {COMPATIBLE_VERSION}, speaks its runner API, and any of its processes can be killed "
    "at any time without losing a job."
)
_FILES: Final = (
    ("/etc/gitlab-runner/config.toml", "the runners, when root calls"),
    ("~/.gitlab-runner/config.toml", "the runners, when others call"),
    ("/etc/gitlab-runner/certs/<host>.crt", "authority of an instance's certificate"),
    ("/data/tristan", "where jobs live by default, for root; ~/.local/share/pyrunner for others"),
)
_ENVIRONMENT: Final = (
    ("CONFIG_FILE", "stands in for --config. The variables of other flags are named with them."),
    ("HTTP_PROXY, HTTPS_PROXY, NO_PROXY", "the way to the instance."),
)
_SIGNALS: Final = (
    ("SIGTERM", "take no more jobs and exit; jobs go on, and the next start takes them up."),
    ("SIGQUIT", "take no more jobs, wait for the running ones, exit."),
    ("SIGINT", "abort the jobs, report them, exit."),
    ("SIGHUP", "read the configuration again."),
)
_EXIT: Final = (
    ("0", "success"),
    ("1", "an error, named on standard error; with doctor and lint-config: something failed"),
    ("2", "a bug of pyrunner's, with its traceback; with lint: GitLab would refuse the pipeline"),
)
_START: Final = re.compile(r"^([.'])", re.MULTILINE)


def run(invocation: Invocation) -> int:
    """Print the page."""
    context = click.get_current_context().find_root()
    assert isinstance(context.command, click.Group)
    click.echo(page(context.command, context), nl=False)
    return 0


def page(group: click.Group, context: click.Context) -> str:
    """Return the whole page."""
    return "\n".join(_lines(group, context)) + "\n"


def _lines(group: click.Group, context: click.Context) -> Iterator[str]:
    yield f'.TH PYRUNNER 1 "" "pyrunner {__version__}" "User Commands"'
    yield from (".SH NAME", roff("pyrunner - a GitLab runner that loses no job"))
    yield from (".SH SYNOPSIS", ".B pyrunner", roff("[GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENT...]"))
    yield from (".SH DESCRIPTION", roff(_ABOUT))
    yield ".SH GLOBAL OPTIONS"
    yield from _options(group, context)
    yield ".SH COMMANDS"
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from _command(name, command, context)
    for title, rows in (
        ("FILES", _FILES),
        ("ENVIRONMENT", _ENVIRONMENT),
        ("SIGNALS TO pyrunner run", _SIGNALS),
        ("EXIT STATUS", _EXIT),
    ):
        yield f'.SH "{title}"'
        for term, text in rows:
            yield from _term(term, text)
    yield from (
        ".SH SEE ALSO",
        roff("git(1), docker(1), systemd.service(5), https://docs.gitlab.com/runner/"),
    )


def _command(name: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f'.SS "{roff(f"pyrunner {name} {usage}".strip())}"'
    yield roff(_sentence((command.help or "").split("\n\n")[0]))
    yield from _options(command, context)
    for example in EXAMPLES.get(name, ()):
        yield ".PP"
        yield roff(f"Example: {example.purpose}")
        yield from (".PP", ".nf", ".RS", roff(example.line), ".RE", ".fi")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for option in command.params:
        record = option.get_help_record(context)
        if record is not None:
            yield from _term(*record)


def _term(term: str, text: str) -> Iterator[str]:
    yield from (".TP", f"\\fB{roff(term)}\\fR", roff(text or "see the configuration reference"))


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def roff(text: str) -> str:
    """Return text as roff prints it: nothing in it is a request or an escape, and dashes stay dashes."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq").replace("…", "...")
    return _START.sub(r"\\&\1", text)


COMMAND: Final = RunnerCommand("manual", run, (), help="print the manual page, pyrunner(1), in roff")
