"""``top``: the jobs of this machine, what they do and what they use, as a table that renews itself.

Read from the run directories and the kernel: also while no manager runs. Where the output is no terminal it
is printed once.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import click
from tabulate import tabulate

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.cli.live_usage import LiveUsages
from pyrunner.cli.running_jobs import RunningJob, explained, known_businesses, running_jobs
from pyrunner.config.model import Config
from pyrunner.config.sizes import format_size
from pyrunner.errors import JobDirError, UsageError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobStateRecord, load_state
from pyrunner.jobdir.record import JobRecord
from pyrunner.system.durations import format_duration
from pyrunner.system.golang import quoted
from pyrunner.system.lock import is_held

_INTERVAL: Final = Flag(
    ("interval", "d"), Kind.DURATION, help="Time between two looks, for example 5s; default 2s"
)
_ONCE: Final = Flag(("once",), Kind.BOOLEAN, help="Print the table once")
_JSON: Final = Flag(("json",), Kind.BOOLEAN, help="Print a JSON object once instead of a table")

_DEFAULT_INTERVAL: Final = 2.0
_SHORTEST: Final = 0.2
#: Seconds over which processor use is measured where there is one look only.
_GLANCE: Final = 0.5
_HEADINGS: Final = ("JOB", "PROJECT", "REF", "STAGE", "ELAPSED", "CPU%", "CPU", "MEMORY", "SUPERVISOR")
_HOME: Final = "\x1b[H"
_CLEAR_LINE: Final = "\x1b[K"
_CLEAR_BELOW: Final = "\x1b[J"


@dataclass(frozen=True, slots=True)
class TopJob:
    """A job and its use.

    :param stage_elapsed: seconds since the stage began; None between stages.
    :param cpu: seconds of processor time so far; None: not known. So are the others.
    :param cpu_percent: of one processor, since the last look.
    :param memory: bytes.
    """

    job: RunningJob
    stage_elapsed: float | None
    cpu: float | None
    cpu_percent: float | None
    memory: int | None


@dataclass(frozen=True, slots=True)
class Moment:
    """All of it.

    :param managers: how many runner managers are at work here, by their locks.
    """

    jobs: Sequence[TopJob]
    managers: int
    businesses: int


class Looker:
    """Looks again and again; processor use is what came since the last look.

    :param clock: seconds, monotonic.
    """

    def __init__(
        self, config: Config, environ: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._environ = environ
        self._clock = clock
        self._usages = LiveUsages()
        self._last: dict[str, tuple[float, float]] = {}

    def look(self) -> Moment:
        """Return how things are.

        :raises JobDirError: when a run directory may not be read by this user.
        """
        with explained():
            businesses = known_businesses(self._config, self._environ)
            held = sum(is_held(one.lock) for one in businesses if one.lock.exists())
        before, self._last = self._last, {}
        jobs = [self._of(*one, before) for one in running_jobs(self._config, self._environ)]
        return Moment(jobs, held, len(businesses))

    def _of(self, job: RunningJob, control: ControlDir, before: Mapping[str, tuple[float, float]]) -> TopJob:
        try:
            state = load_state(control.state) or JobStateRecord()
            received_at = JobRecord.load(control.job).received_at
        except JobDirError:  # it has just been acknowledged
            return TopJob(job, None, None, None, None)
        usage = self._usages.of(control, state, received_at)
        percent = None
        if usage.cpu is not None:
            now = self._clock()
            self._last[job.folder] = (now, usage.cpu)
            if job.folder in before and now > before[job.folder][0]:
                then, used = before[job.folder]
                percent = max(0.0, 100 * (usage.cpu - used) / (now - then))
        started = state.stage_started_at if state.stage and not job.finished else 0.0
        elapsed = max(0.0, time.time() - started) if started else None
        return TopJob(job, elapsed, usage.cpu, percent, usage.memory)


def run(invocation: Invocation) -> int:
    """Show the table until interrupted, or once.

    :raises UsageError: for an interval that is too short, or an argument.
    :raises JobDirError: when a run directory may not be read by this user.
    """
    values = invocation.values
    if invocation.rest:
        raise UsageError(f"top takes no argument such as {invocation.rest[0]}; logs shows one job")
    given: float | None = values[_INTERVAL.name]
    interval = _DEFAULT_INTERVAL if given is None else given
    if interval < _SHORTEST:
        raise UsageError(f"--interval must be {_SHORTEST:g}s or more")
    looker = Looker(ConfigFile.of(invocation).load(), invocation.session.environ)
    if values.flag(_JSON.name) or values.flag(_ONCE.name) or not sys.stdout.isatty():
        looker.look()
        time.sleep(_GLANCE)
        moment = looker.look()
        click.echo(as_json(moment) if values.flag(_JSON.name) else "\n".join(screen(moment)))
        return 0
    for shown in _frames(looker, interval):
        sys.stdout.write(shown)
        sys.stdout.flush()
    return 0


def _frames(looker: Looker, interval: float) -> Iterator[str]:
    looker.look()
    pause = _GLANCE
    while True:
        time.sleep(pause)
        pause = interval
        columns, rows = shutil.get_terminal_size()
        lines = [line[:columns] for line in screen(looker.look())][: rows - 1]
        yield _HOME + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines) + _CLEAR_BELOW


def screen(moment: Moment) -> list[str]:
    """Return a line about all, and the table."""
    running = [one for one in moment.jobs if not one.job.finished]
    waiting = len(moment.jobs) - len(running)
    percent = sum(one.cpu_percent or 0.0 for one in running)
    memory = sum(one.memory or 0 for one in running)
    parts = [
        f"{time.strftime('%H:%M:%S')}  {_count(len(running), 'job')} running",
        f"{_count(waiting, 'result')} to be delivered" if waiting else "",
        f"CPU {percent:.0f}% of {100 * (os.cpu_count() or 1)}%",
        f"memory {format_size(memory)}",
        "" if moment.managers or not moment.businesses else "NO RUNNER MANAGER AT WORK",
    ]
    ordered = sorted(moment.jobs, key=lambda one: (one.job.finished, -(one.cpu_percent or 0.0), one.job.job))
    rows = [_row(one) for one in ordered]
    table = tabulate(rows, headers=_HEADINGS, tablefmt="plain", disable_numparse=True)
    return ["  ".join(part for part in parts if part), "", *str(table).splitlines()]


def as_json(moment: Moment) -> str:
    """Return the same for programs."""
    jobs: list[dict[str, Any]] = [
        {
            **asdict(one.job),
            "stage_elapsed": one.stage_elapsed,
            "cpu_seconds": one.cpu,
            "cpu_percent": one.cpu_percent,
            "memory_bytes": one.memory,
        }
        for one in moment.jobs
    ]
    return json.dumps({"jobs": jobs, "managers": moment.managers}, indent=2)


def _row(one: TopJob) -> tuple[str, ...]:
    job = one.job
    stage = "(ended)" if job.finished else job.stage or "-"
    if one.stage_elapsed is not None:
        stage += f" {format_duration(int(one.stage_elapsed))}"
    cells = (
        str(job.job),
        job.project,
        job.ref,
        stage,
        format_duration(int(job.elapsed)),
        "-" if one.cpu_percent is None else f"{one.cpu_percent:.0f}",
        "-" if one.cpu is None else format_duration(round(one.cpu, 1)),
        "-" if one.memory is None else format_size(one.memory),
        "" if job.finished else str(job.pid) if job.alive else "none",
    )
    # names of refs and projects are the pipeline's: they must not steer the terminal
    return tuple(cell if cell.isprintable() else quoted(cell) for cell in cells)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


COMMAND: Final = RunnerCommand(
    "top", run, (CONFIG, _INTERVAL, _ONCE, _JSON), help="show what running jobs do and use, again and again"
)
