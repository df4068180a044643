"""What a call is, before it is made."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

#: Makes the body of one attempt afresh; retries and 307/308 redirects ask again.
BodyFactory = Callable[[], Iterable[bytes]]

#: Seconds the coordinator may take to start answering (runner-api.md 6.3). Long polls live from it.
READ_TIMEOUT: Final = 600.0


JOB_TOKEN: Final = "JOB-TOKEN"  # noqa: S105 - a header's name


class Observer(Protocol):
    """Counts requests, for the metrics of runner-api.md 9.4."""

    def request_finished(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Take note of one logical call; ``status`` is -1 without a usable answer."""

    def attempts_made(self, path: str, method: str, attempts: int) -> None:
        """Take note of the requests of one logical call, the first included; ``path`` has its ids."""


@dataclass(frozen=True, slots=True)
class Call:
    """One logical call below ``/api/v4/``.

    :param path: relative, with its query.
    :param url: a whole URL instead: object storage, where the coordinator has sent us.
    :param body: bytes (length known) or a factory (sent chunked); None for none.
    :param retry: repeat on the statuses of 6.1.
    :param read_timeout: longest silence of the coordinator in seconds.
    :param total_timeout: seconds for each attempt, bodies included; None for no limit.
    :param correlation_id: from :func:`new_correlation_id`; made by the transport when empty.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | BodyFactory | None = field(default=None, repr=False)
    content_type: str = "application/json"
    follow_redirects: bool = True
    retry: bool = True
    read_timeout: float = READ_TIMEOUT
    total_timeout: float | None = None
    correlation_id: str = ""
    url: str = field(default="", repr=False)


def new_correlation_id() -> str:
    """Return an ``X-Request-Id``: a random UUID without dashes (0.2)."""
    return uuid.uuid4().hex
