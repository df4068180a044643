"""``logs``: what jobs of this machine print, from their run directories: also while no manager runs.

The lines go to standard output: they are what was asked for. The manager's own log is on its standard error,
hence in the journal of its service.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TextIO

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.cli.joblog import JobLog, has_ended, parse_line
from pyrunner.cli.running_jobs import explained, known_businesses
from pyrunner.cli.terminal_text import harmless
from pyrunner.config.model import Config
from pyrunner.errors import UsageError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.index import find_done, pending_jobs

_FOLLOW: Final = Flag(("follow", "f"), Kind.BOOLEAN, help="Go on until the job has ended")
_TAIL: Final = Flag(("tail", "n"), Kind.OPTIONAL_INTEGER, help="Begin with the last so many lines")
_TIMES: Final = Flag(("timestamps", "t"), Kind.BOOLEAN, help="Show when each line came")
_RAW: Final = Flag(("raw",), Kind.BOOLEAN, help="Print the log as GitLab gets it, byte for byte")
_JSON: Final = Flag(("json",), Kind.BOOLEAN, help="Print one JSON object a line")
_SUPERVISOR: Final = Flag(
    ("supervisor",), Kind.BOOLEAN, help="Show what the job's supervisor says, instead of the job"
)

_log: Final = logging.getLogger(__name__)

#: Seconds between two looks.
_LOOK_EVERY: Final = 0.5


@dataclass(frozen=True, slots=True)
class LoggedJob:
    """A job that has a log."""

    job: int
    business: str
    control: ControlDir


@dataclass(frozen=True, slots=True)
class Style:
    """How lines are shown."""

    colours: bool = False
    times: bool = False
    raw: bool = False
    json: bool = False
    #: Put the job's id in front of each line.
    named: bool = False


@dataclass
class Viewer:
    """Prints the logs of jobs as they grow."""

    out: TextIO
    style: Style
    tail: int | None = None
    supervisor: bool = False
    _logs: dict[tuple[str, int], JobLog] = field(default_factory=dict)

    def show(self, job: LoggedJob, complete: bool) -> None:
        """Print what is new.

        :param complete: nothing will follow: also print a line that has no end.
        """
        key = (job.business, job.job)
        log = self._logs.get(key)
        if log is None:
            path = job.control.supervisor_log if self.supervisor else job.control.trace_log
            log = self._logs[key] = JobLog(path)
            if self.tail is not None:
                log.skip_to_last(self.tail)
        for line in log.read():
            self._print(job, line, b"\n")
        if complete:
            for line in log.close():
                self._print(job, line, b"" if self.style.raw else b"\n")
        self.out.flush()

    def _print(self, job: LoggedJob, line: bytes, end: bytes) -> None:
        style = self.style
        if style.raw:
            self.out.buffer.write(line + end)
            return
        parsed = parse_line(line)
        if parsed is None:
            return
        text = harmless(parsed.text, style.colours)
        if style.json:
            value = {"job": job.job, "business": job.business, "time": parsed.time, "stream": parsed.stream}
            self.out.write(json.dumps({**value, "text": text}, ensure_ascii=False) + "\n")
            return
        name = f"{job.job} | " if style.named else ""
        moment = f"{parsed.time} " if style.times and parsed.time else ""
        self.out.write(f"{name}{moment}{text}\n")


def run(invocation: Invocation) -> int:
    """Print the logs.

    :raises UsageError: when a name fits no job, or several, or flags exclude one another.
    :raises JobDirError: when this user may not read them.
    """
    values, environ = invocation.values, invocation.session.environ
    raw, as_json = values.flag(_RAW.name), values.flag(_JSON.name)
    if raw and as_json:
        raise UsageError("--raw and --json exclude one another")
    if raw and len(invocation.rest) != 1:
        raise UsageError("--raw needs one job: the bytes of several cannot be told apart")
    tail = values.number(_TAIL.name) if values.is_set(_TAIL.name) else None
    if tail is not None and tail < 0:
        raise UsageError("--tail takes a number of lines, 0 or more")
    config = ConfigFile.of(invocation).load()
    style = Style(
        colours=sys.stdout.isatty() and not as_json,
        times=values.flag(_TIMES.name),
        raw=raw,
        json=as_json,
        named=len(invocation.rest) != 1,
    )
    viewer = Viewer(sys.stdout, style, tail, values.flag(_SUPERVISOR.name))
    follow = values.flag(_FOLLOW.name)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a text stream
    with explained():
        if invocation.rest:
            show_jobs(viewer, [find_job(config, environ, name) for name in invocation.rest], follow)
        else:
            show_running(viewer, lambda: unfinished_jobs(config, environ), follow)
    return 0


def show_jobs(
    viewer: Viewer, jobs: Iterable[LoggedJob], follow: bool, pause: Callable[[float], None] = time.sleep
) -> None:
    """Show these jobs, with ``follow`` until all have ended."""
    left = list(jobs)
    while left:
        still: list[LoggedJob] = []
        for job in left:
            # Asked first: what comes between is shown with the end.
            complete = not follow or has_ended(job.control)
            viewer.show(job, complete)
            if not complete:
                still.append(job)
        left = still
        if left:
            pause(_LOOK_EVERY)


def show_running(
    viewer: Viewer,
    unfinished: Callable[[], list[LoggedJob]],
    follow: bool,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Show all running jobs, with ``follow`` for ever, those that come included."""
    watched: dict[tuple[str, int], LoggedJob] = {}
    while True:
        for job in unfinished():
            watched.setdefault((job.business, job.job), job)
        if not watched and not follow:
            _log.info("No job is running here; logs of ended ones are kept for 7 days: name one")
        for key, job in list(watched.items()):
            complete = not follow or has_ended(job.control)
            viewer.show(job, complete)
            if complete:
                del watched[key]
        if not follow:
            return
        pause(_LOOK_EVERY)


def unfinished_jobs(config: Config, environ: Mapping[str, str]) -> list[LoggedJob]:
    """Return the jobs that have not ended."""
    return [
        LoggedJob(one.job_id, business.business_id, one.control)
        for business in known_businesses(config, environ)
        for one in pending_jobs(business)
        if not has_ended(one.control)
    ]


def find_job(config: Config, environ: Mapping[str, str], name: str) -> LoggedJob:
    """Return the job that ``JOB`` or ``BUSINESS/JOB`` names, whether it runs or has ended.

    :raises UsageError: when there is none, or several.
    """
    wanted, _, number = name.rpartition("/")
    found = list(_named(config, environ, wanted, number)) if number.isascii() and number.isdecimal() else []
    if not found:
        raise UsageError(f"no job {name} on this machine; logs of ended jobs are kept for 7 days")
    if len(found) > 1:
        choices = ", ".join(f"{one.business}/{one.job}" for one in found)
        raise UsageError(f"job {name} is not unique; say which: {choices}")
    return found[0]


def _named(config: Config, environ: Mapping[str, str], wanted: str, number: str) -> Iterator[LoggedJob]:
    for business in known_businesses(config, environ):
        if wanted not in ("", business.business_id):
            continue
        pending = [one for one in pending_jobs(business) if one.job_id == int(number)]
        done = find_done(business, int(number))
        for one in pending or ([done] if done is not None else []):
            yield LoggedJob(one.job_id, business.business_id, one.control)


COMMAND: Final = RunnerCommand(
    "logs",
    run,
    (CONFIG, _FOLLOW, _TAIL, _TIMES, _RAW, _JSON, _SUPERVISOR),
    help="show what jobs print; without JOB all running ones, with their ids",
    usage="[JOB...]",
)
