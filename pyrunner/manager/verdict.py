"""``verdict.json``: how a job ends that no supervisor can end; written by the manager, once.

A payload that does not decode, a job that the coordinator cancelled before it began, a supervisor
that keeps dying: the result comes from here instead of state.json, and the text follows what is in
trace.log.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobResult
from pyrunner.protocol.decode import decode
from pyrunner.protocol.states import FailureReason, JobState
from pyrunner.system.files import read_json, write_json


@dataclass(frozen=True)
class Verdict:
    """A result of the manager's own."""

    result: JobResult = field(default_factory=JobResult)
    #: Follows the trace's first :attr:`trace_size` bytes; those after are not sent any more.
    text: str = ""
    trace_size: int = 0
    decided_at: float = 0.0


def refused(message: str, now: float, exit_code: int = 0) -> Verdict:
    """Return the end of a job that cannot be begun: the message is all of its trace."""
    return Verdict(_system_failure(message, exit_code), f"{message}\n", 0, now)


def canceled_before_start(now: float) -> Verdict:
    """Return the end of a job that is being cancelled already: the raw reason, no trace (5.1)."""
    result = JobResult(JobState.FAILED, FailureReason.CANCELED, 0, "canceled", reason_is_final=True)
    return Verdict(result, "", 0, now)


def given_up(message: str, trace_size: int, text: str, now: float) -> Verdict:
    """Return the end of a job whose supervisor cannot bring it to one."""
    return Verdict(_system_failure(message, 0), text, trace_size, now)


def store_verdict(control: ControlDir, verdict: Verdict) -> None:
    """Write a verdict durably."""
    write_json(control.path / "verdict.json", asdict(verdict))


def load_verdict(control: ControlDir) -> Verdict | None:
    """Return the verdict on a job, None when there is none.

    :raises JobDirError: when it is broken.
    """
    try:
        value = read_json(control.path / "verdict.json")
    except FileNotFoundError:
        return None
    return decode(Verdict, value)


def _system_failure(message: str, exit_code: int) -> JobResult:
    return JobResult(JobState.FAILED, FailureReason.SYSTEM_FAILURE, exit_code, message, reason_is_final=True)
