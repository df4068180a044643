"""What the coordinator says about a job next to its answer (runner-api.md 5.5, 5.6)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pyrunner.gitlab.answer import Reply, integer
from pyrunner.gitlab.lines import CallLog

#: The longest pause a coordinator may ask for between updates, in seconds (5.5).
LONGEST_INTERVAL: Final = 900


@dataclass(frozen=True, slots=True)
class RemoteState:
    """What an answer's headers say about a job; read whatever the status.

    :param job_status: as sent, empty when it was not.
    :param asked_interval: seconds as sent, 0 when missing or not a number.
    """

    job_status: str = ""
    asked_interval: int = 0

    @classmethod
    def of(cls, reply: Reply | None, log: CallLog) -> RemoteState:
        """Read the headers of an answer; none at all when it did not come."""
        if reply is None:
            return cls()
        text = reply.headers.get("X-GitLab-Trace-Update-Interval", "")
        seconds = integer(text)
        if text and seconds is None:
            log.write(
                logging.WARNING,
                'Failed to parse "X-GitLab-Trace-Update-Interval" header',
                **{"header-value": text},
            )
        return cls(reply.headers.get("Job-Status", ""), seconds or 0)

    @property
    def closed(self) -> bool:
        """True when the coordinator has ended the job, even with status 200 (5.6)."""
        return self.job_status in ("canceled", "failed")

    @property
    def cancel_requested(self) -> bool:
        """True while the job is being canceled gracefully (5.7)."""
        return self.job_status == "canceling"

    @property
    def interval(self) -> int | None:
        """Seconds between updates: what was asked for within its limit, None without a usable value."""
        return min(self.asked_interval, LONGEST_INTERVAL) if self.asked_interval > 0 else None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the log line about this answer."""
        interval = timedelta(seconds=self.asked_interval)
        return {"job-status": self.job_status, "update-interval": interval}
