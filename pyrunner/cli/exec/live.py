"""A run on a terminal: a line for each running job, moving, and one for each that has ended, staying."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pyrunner.cli.exec.display import Display
from pyrunner.cli.exec.joblog import LogLine, plain
from pyrunner.cli.exec.words import Words, seconds
from pyrunner.coordinator.pipelines.status import ACTIVE, FINISHED, Status
from pyrunner.coordinator.pipelines.views import JobView

_SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_TICKS: Final = 8
_STAYS: Final = FINISHED | {Status.MANUAL}


class LiveDisplay(Display):
    """Draws with rich, which knows terminals and their widths."""

    def __init__(self, console: Console, words: Words) -> None:
        super().__init__(lambda text: console.print(Text.from_ansi(text), soft_wrap=True), words)
        self._last: dict[int, str] = {}
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=_TICKS, transient=True
        )
        self._live.start()

    def job(self, job: JobView) -> None:
        """Let a job that has ended stay."""
        if job.status in _STAYS:
            self._last.pop(job.id, None)
            self._write(
                f"{self._words.sign(job)} {job.name}  {self._words.paint(self._words.outcome(job), '2')}"
            )

    def line(self, job: JobView, line: LogLine) -> None:
        """Remember the last line of a job: it is shown beside it."""
        text = plain(line.text).strip()
        if line.matters and text:
            self._last[job.id] = text

    def close(self) -> None:
        """Take the moving lines away."""
        self._live.stop()

    def _draw(self) -> Group:
        now = time.time()
        frame = _SPINNER[int(now * _TICKS) % len(_SPINNER)]
        with self._lock:
            active = [one for one in self._jobs.values() if one.status in ACTIVE]
            waiting = sum(one.status is Status.CREATED for one in self._jobs.values())
            table = Table.grid(padding=(0, 1))
            for column in range(3):
                table.add_column(no_wrap=True, overflow="ellipsis", ratio=None if column < 2 else 1)
            for job in active:
                table.add_row(Text(f"{frame} {job.name}", "cyan"), self._since(job, now), self._beside(job))
        counts = Text(f"{len(active)} under way, {waiting} to come", "dim")
        return Group(table, counts) if active or waiting else Group()

    def _since(self, job: JobView, now: float) -> Text:
        if job.status is Status.SCHEDULED:
            return Text(f"in {seconds(max(0.0, job.scheduled_at - now))}", "magenta")
        begun = job.started_at or job.queued_at
        return Text(seconds(max(0.0, now - begun)) if begun else "", "dim")

    def _beside(self, job: JobView) -> Text:
        if job.status is not Status.RUNNING:
            return Text(str(job.status).replace("_", " "), "dim")
        return Text(self._last.get(job.id, ""), "dim")
