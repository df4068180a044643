"""What a run shows while it goes on: lines with the job's name in front, events as JSON, or nothing.

The other way, for a terminal, is :mod:`.live`. All are told by several threads.
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from pyrunner.cli.exec.joblog import JobLog, LogLine, harmless, plain
from pyrunner.cli.exec.words import Words
from pyrunner.coordinator.pipelines.status import FINISHED, Status
from pyrunner.coordinator.pipelines.views import JobView, PipelineView

#: Lines of a failed job that are shown at the end.
TAIL: Final = 20
_WIDEST: Final = 32
_COLOURS: Final = ("36", "35", "33", "34", "32", "96", "95", "94")
_TOLD: Final = FINISHED | {Status.RUNNING, Status.MANUAL, Status.SCHEDULED}


class Display(ABC):
    """Follows the jobs of a run; remembers the last lines of each.

    :param write: takes one line of output.
    """

    def __init__(self, write: Callable[[str], None], words: Words) -> None:
        self._write = write
        self._words = words
        self._lock = threading.RLock()
        self._logs: dict[int, JobLog] = {}
        self._tails: dict[int, deque[str]] = {}
        #: Jobs whose script has begun.
        self._begun: set[int] = set()
        self._jobs: dict[int, JobView] = {}

    def changed(self, view: JobView | PipelineView) -> None:
        """Take a job or pipeline that has changed."""
        with self._lock:
            if isinstance(view, PipelineView):
                self.pipeline(view)
                return
            view = harmless_view(view)
            before = self._jobs.get(view.id)
            self._jobs[view.id] = view
            if view.status in FINISHED and view.id in self._logs:
                self._lines(view, self._logs[view.id].close())
            if before is None or before.status is not view.status:
                self.job(view)

    def trace(self, job_id: int, data: bytes) -> None:
        """Take the next piece of a job's trace."""
        with self._lock:
            view = self._jobs.get(job_id)
            if view is not None:
                self._lines(view, self._logs.setdefault(job_id, JobLog()).feed(data))

    def tail(self, job_id: int) -> list[str]:
        """Return the last lines of a job."""
        with self._lock:
            return list(self._tails.get(job_id, ()))

    def _lines(self, job: JobView, lines: list[LogLine]) -> None:
        tail = self._tails.setdefault(job.id, deque(maxlen=TAIL))
        for line in lines:
            if line.of_script and job.id not in self._begun:
                self._begun.add(job.id)
                tail.clear()
            # before the script, what git and other programs say is all there is to tell why it failed
            if line.matters or (job.id not in self._begun and not line.own):
                tail.append(line.text)
            self.line(job, line)

    @abstractmethod
    def job(self, job: JobView) -> None:
        """Show that a job has another state."""

    @abstractmethod
    def line(self, job: JobView, line: LogLine) -> None:
        """Show a line of a job's trace."""

    def pipeline(self, pipeline: PipelineView) -> None:  # noqa: B027 - most show nothing
        """Show that a pipeline has another state."""

    def note(self, text: str) -> None:
        """Show something that belongs to no job."""
        with self._lock:
            self._write(text)

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Nothing more comes. Safe twice."""


class QuietDisplay(Display):
    """Shows nothing before the end."""

    def job(self, job: JobView) -> None:
        """Show nothing."""

    def line(self, job: JobView, line: LogLine) -> None:
        """Show nothing."""

    def note(self, text: str) -> None:
        """Show nothing."""


class LineDisplay(Display):
    """One line of output for each of a job, the job's name in front.

    :param everything: also what the runner itself says.
    """

    def __init__(self, write: Callable[[str], None], words: Words, everything: bool) -> None:
        super().__init__(write, words)
        self._everything = everything
        self._width = 0
        self._colours: dict[str, str] = {}

    def job(self, job: JobView) -> None:
        """Write what became of a job."""
        self._width = max(self._width, min(len(job.name), _WIDEST))
        if job.status in _TOLD:
            self._put(job, f"{self._words.sign(job)} {self._words.outcome(job)}")

    def line(self, job: JobView, line: LogLine) -> None:
        """Write a line."""
        if self._everything or line.matters:
            reset = "\x1b[0m" if "\x1b" in line.text else ""
            self._put(job, (line.text + reset) if self._words.colour else plain(line.text))

    def _put(self, job: JobView, text: str) -> None:
        colour = self._colours.setdefault(job.name, _COLOURS[len(self._colours) % len(_COLOURS)])
        self._write(f"{self._words.paint(f'{job.name:<{self._width}} |', colour)} {text}".rstrip())


class JSONDisplay(Display):
    """Writes events as JSON, one a line.

    :param everything: also the lines of the jobs.
    """

    def __init__(self, write: Callable[[str], None], words: Words, everything: bool) -> None:
        super().__init__(write, words)
        self._everything = everything

    def job(self, job: JobView) -> None:
        """Write the job."""
        self.event("job", **as_plain(job))

    def line(self, job: JobView, line: LogLine) -> None:
        """Write the line."""
        if self._everything:
            self.event("line", id=job.id, name=job.name, section=line.section, text=plain(line.text))

    def pipeline(self, pipeline: PipelineView) -> None:
        """Write the pipeline."""
        self.event(
            "pipeline", id=pipeline.id, status=str(pipeline.status), name=pipeline.name, ref=pipeline.ref
        )

    def note(self, text: str) -> None:
        """Write the text."""
        self.event("note", text=plain(text))

    def event(self, kind: str, **fields: Any) -> None:
        """Write one event."""
        with self._lock:
            self._write(json.dumps({"event": kind, **fields}))


def harmless_view(job: JobView) -> JobView:
    """Return a job whose name and message do nothing on a terminal: its YAML may be anybody's."""
    return replace(job, name=plain(harmless(job.name)), message=plain(harmless(job.message)))


def as_plain(job: JobView) -> dict[str, Any]:
    """Return a job as JSON values."""
    return {
        "id": job.id,
        "pipeline": job.pipeline_id,
        "name": job.name,
        "stage": job.stage,
        "status": str(job.status),
        "allow_failure": job.allow_failure,
        "attempt": job.attempt,
        "retried": job.retried,
        "failure_reason": job.failure_reason,
        "exit_code": job.exit_code,
        "message": job.message,
        "coverage": job.coverage,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "duration": round(job.duration, 3),
    }
