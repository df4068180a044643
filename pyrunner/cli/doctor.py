"""``doctor``: what stands between this host and its jobs, hop by hop, and what to do about it.

The report goes to standard output: it is what was asked for. Nothing is written anywhere.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

import click

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.config.locations import certificate_folder
from pyrunner.config.system_id import FILE_NAME, generate_system_id
from pyrunner.doctor.configuration import read_config
from pyrunner.doctor.context import Context, Host
from pyrunner.doctor.examination import examine_all, skipped_without_config
from pyrunner.doctor.result import Result, Status
from pyrunner.manager.business import executor_root
from pyrunner.manager.link import info_of, known_executors
from pyrunner.system.golang import quoted

_JSON: Final = Flag(("json",), Kind.BOOLEAN, help="Print a JSON object instead of lines")

_COLOURS: Final = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.FAILED: "red",
    Status.SKIPPED: "bright_black",
}
_CHECK_WIDTH: Final = 13


def run(invocation: Invocation) -> int:
    """Examine this host; the exit code is 1 when a check failed, 0 for mere warnings."""
    environ = invocation.session.environ
    path = ConfigFile.of(invocation).path
    uid = os.geteuid()
    config, results = read_config(path, environ, uid)
    if config is None:
        results += skipped_without_config()
    else:
        context = Context(
            path=path,
            config=config,
            host=Host(environ, uid=uid),
            system_id=_system_id(path.parent / FILE_NAME),
            certificates=certificate_folder(environ),
            info_of=info_of,
            root_of=lambda runner: executor_root(runner, environ, uid),
            executors=known_executors(),
        )
        results += examine_all(context)
    if invocation.values.flag(_JSON.name):
        good = not any(one.status is Status.FAILED for one in results)
        click.echo(json.dumps({"ok": good, "checks": [asdict(one) for one in results]}, indent=2))
    else:
        coloured = sys.stdout.isatty() and not environ.get("NO_COLOR")
        click.echo(report(results, coloured), color=coloured)
    return 1 if any(one.status is Status.FAILED for one in results) else 0


def report(results: Iterable[Result], coloured: bool = False) -> str:
    """Return a line a result, what to do about it below, and the numbers at the end."""
    lines = []
    counts: Counter[Status] = Counter()
    for one in results:
        counts[one.status] += 1
        word = f"{one.status.value:<8}"
        shown = click.style(word, fg=_COLOURS[one.status]) if coloured else word
        lines.append(f"{shown} {one.check:<{_CHECK_WIDTH}} {_line(one.text)}")
        if one.fix:
            lines.append(f"{'':<8} {'':<{_CHECK_WIDTH}} -> {_line(one.fix)}")
    lines.append("")
    lines.append(", ".join(f"{counts[status]} {status.value}" for status in Status))
    return "\n".join(lines)


def _line(text: str) -> str:
    """Return text that cannot steer a terminal: some of it comes from servers and file names."""
    text = " ".join(text.splitlines())
    return text if text.isprintable() else quoted(text)


def _system_id(path: os.PathLike[str]) -> str:
    """Return the stored id, or what a start would derive; unlike a start, write nothing.

    Empty where a start would make one up: each call would be another machine to the coordinator.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        derived = generate_system_id()
        return derived if derived.startswith("s_") else ""


COMMAND: Final = RunnerCommand(
    "doctor",
    run,
    (CONFIG, _JSON),
    help="examine configuration, network, token, programs, disk and limits, and say what to mend",
)
