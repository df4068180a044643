"""How states and times are said to people."""

from __future__ import annotations

from typing import Final

from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.pipelines.views import JobView

#: Sign and colour (SGR) of each state.
SIGNS: Final[dict[Status, tuple[str, str]]] = {
    Status.SUCCESS: ("✓", "32"),
    Status.FAILED: ("✗", "31"),
    Status.CANCELED: ("⊘", "90"),
    Status.SKIPPED: ("»", "90"),
    Status.MANUAL: ("▷", "35"),
    Status.SCHEDULED: ("◷", "35"),
    Status.RUNNING: ("●", "36"),
    Status.CANCELING: ("●", "33"),
}
_OTHER: Final = ("○", "90")


class Words:
    """Texts, in colour or without."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def paint(self, text: str, sgr: str) -> str:
        """Return ``text`` in a colour."""
        return f"\x1b[{sgr}m{text}\x1b[0m" if self.colour and sgr else text

    def sign(self, job: JobView) -> str:
        """Return the sign of a job's state."""
        if job.status is Status.FAILED and job.allow_failure:
            return self.paint("!", "33")
        return self.paint(*SIGNS.get(job.status, _OTHER))

    def outcome(self, job: JobView) -> str:
        """Return in words what became of a job."""
        text = str(job.status).replace("_", " ")
        if job.status is Status.FAILED:
            why = f"exit code {job.exit_code}" if job.exit_code else job.failure_reason.replace("_", " ")
            text = f"failed ({why or 'unknown reason'})"
            if job.retried:
                text += ", tried again"
            elif job.allow_failure:
                text += ", which is allowed"
        elif job.status is Status.SUCCESS and not job.started_at:
            text = "passed in the last run"
        elif job.status is Status.MANUAL:
            text = "waits to be played"
        if job.duration:
            text += f", {seconds(job.duration)}"
        if job.coverage is not None:
            text += f", coverage {job.coverage:g} %"
        return f"{text}: {job.message}" if job.message else text


def seconds(value: float) -> str:
    """Return a duration: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``1 h 02 min``."""
    if value < 10:
        return f"{value:.1f} s"
    whole = int(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
