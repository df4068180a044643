"""The calls a coordinator has answered, as tests and operators look at them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One call; its headers are those of :data:`LOGGED_HEADERS`, tokens are not among them."""

    #: When it arrived, seconds since the epoch.
    time: float
    method: str
    path: str
    query: str
    endpoint: str
    #: Status answered; 0 where the connection was dropped.
    status: int
    job_id: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


#: Request headers that are kept, lower case.
LOGGED_HEADERS = (
    "user-agent",
    "x-request-id",
    "content-type",
    "content-length",
    "content-range",
    "transfer-encoding",
    "accept",
    "accept-encoding",
)
