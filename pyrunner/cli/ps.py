"""``ps``: the jobs now running on this machine.

Read from the run directories alone. The table goes to standard output: it is what was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

import click
from tabulate import tabulate

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.cli.running_jobs import RunningJob, running_jobs
from pyrunner.system.durations import format_duration
from pyrunner.system.golang import quoted

_JSON: Final = Flag(("json",), Kind.BOOLEAN, help="Print a JSON list instead of a table")
_ALL: Final = Flag(("all",), Kind.BOOLEAN, help="Also show ended jobs whose result the coordinator waits for")

_HEADINGS: Final = ("JOB", "PROJECT", "REF", "STAGE", "ELAPSED", "SLOT", "PID-ALIVE", "FOLDER")
_ENDED: Final = "(ended)"


def run(invocation: Invocation) -> int:
    """Print the jobs."""
    values = invocation.values
    config = ConfigFile.of(invocation).load()
    jobs = [job for job, _ in running_jobs(config, invocation.session.environ)]
    if not values.flag(_ALL.name):
        jobs = [job for job in jobs if not job.finished]
    if values.flag(_JSON.name):
        click.echo(json.dumps([asdict(job) for job in jobs], indent=2))
    else:
        click.echo(table(jobs))
    return 0


def table(jobs: Iterable[RunningJob]) -> str:
    """Return ``jobs`` as aligned columns under their headings."""
    rows = [_row(job) for job in jobs]
    return str(tabulate(rows, headers=_HEADINGS, tablefmt="plain", disable_numparse=True))


def _row(job: RunningJob) -> tuple[str, ...]:
    alive = f"{job.pid or '-'} {'yes' if job.alive else 'no'}"
    elapsed = format_duration(int(job.elapsed))
    stage = _ENDED if job.finished else job.stage or "-"
    cells = (str(job.job), job.project, job.ref, stage, elapsed, str(job.slot), alive, job.folder)
    # names of refs and projects are the pipeline's: they must not steer the terminal
    return tuple(cell if cell.isprintable() else quoted(cell) for cell in cells)


COMMAND: Final = RunnerCommand("ps", run, (CONFIG, _JSON, _ALL), help="show the jobs now running")
