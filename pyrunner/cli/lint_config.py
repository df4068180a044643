"""``lint-config``: all that is wrong with a config.toml, with line, column and the key that was meant.

gitlab-runner's ``lint`` stops at the first problem and names no line; it is there unchanged as
``pyrunner lint`` without a file (config-and-commands.md 2.4). Nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from pyrunner.ci.finding import Finding
from pyrunner.ci.tree import Position
from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.findings import FORMATS
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.config.examine import ConfigFinding, examine
from pyrunner.errors import UsageError

_JSON: Final = Flag(("json",), Kind.BOOLEAN, help="The same as --format json")
_FORMAT: Final = Flag(
    ("format",),
    default="text",
    choices=tuple(FORMATS),
    help="How findings are printed: text, json, gcc (editors) or github",
)


def run(invocation: Invocation) -> int:
    """Examine the files; the exit code is 1 when one of them cannot be used, 0 for mere warnings."""
    paths = [Path(name) for name in invocation.rest] or [ConfigFile.of(invocation).path]
    values = invocation.values
    form = "json" if values.flag(_JSON.name) else values.text(_FORMAT.name)
    return examine_files(paths, form, invocation.session.environ)


def examine_files(paths: Sequence[Path], form: str, environ: Mapping[str, str]) -> int:
    """Print what is wrong with each of ``paths`` and return the exit code.

    :param form: a key of :data:`.FORMATS`.
    :raises UsageError: for a file that cannot be read, and an unknown form.
    """
    if form not in FORMATS:
        raise UsageError(f"--format is one of {', '.join(FORMATS)}")
    found: list[Finding] = []
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        findings = [_shown(path, one) for one in examine(data, environ)]
        found += findings
        if form == "text" and not findings:
            click.echo(f"{path}: no findings")
    if found or form == "json":
        click.echo(FORMATS[form](found))
    return 1 if any(not one.warning for one in found) else 0


def _shown(path: Path, one: ConfigFinding) -> Finding:
    return Finding(
        one.message, Position(file=str(path), line=one.line, column=one.column), one.hint, warning=one.warning
    )


COMMAND: Final = RunnerCommand(
    "lint-config",
    run,
    [CONFIG, _JSON, _FORMAT],
    help="examine config.toml: wrong values, unknown keys and what was meant, with line and column",
    usage="[FILE...]",
)
