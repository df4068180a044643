"""An answer whose body is still on its way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pyrunner.gitlab.answer import Reply, clean_url
from pyrunner.gitlab.call import Call
from pyrunner.gitlab.cancel import Stop

if TYPE_CHECKING:
    from requests import Response


class StreamedAnswer(Protocol):
    """Status and headers of an answer, and its body to be read once, within the call's context."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, looked up without regard to case."""

    @property
    def url(self) -> str:
        """Where the answer came from, after redirects."""

    @property
    def correlation_id(self) -> str:
        """The answer's ``X-Request-Id``, else the one sent."""

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the body, decompressed, in pieces of up to ``size`` bytes."""

    def read(self) -> Reply:
        """Read the body and return the whole answer."""


class Streaming(Protocol):
    """What can make a call whose answer is read piece by piece."""

    def stream(
        self, call: Call, stop: Stop | None = None, hold: bool = True
    ) -> AbstractContextManager[StreamedAnswer]:
        """Make a call; see :meth:`pyrunner.gitlab.transport.Transport.stream`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a :class:`.Transport`; see :class:`StreamedAnswer`.

    The fields are those of :class:`.Reply`.
    """

    response: Response
    method: str
    correlation_id: str
    chain: tuple[bytes, ...]
    attempts: int
    retriable_seen: bool

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, looked up without regard to case."""
        return self.response.headers

    @property
    def url(self) -> str:
        """Where the answer came from, after redirects."""
        return self.response.url or ""

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the body, decompressed, in pieces of up to ``size`` bytes."""
        yield from self.response.iter_content(size)

    def read(self) -> Reply:
        """Read the body and return the whole answer."""
        return Reply(
            status=self.status,
            reason=self.response.reason or "",
            headers=self.response.headers,
            body=self.response.content,
            method=self.method,
            url=clean_url(self.response.request.url or ""),
            correlation_id=self.correlation_id,
            retriable_seen=self.retriable_seen,
            attempts=self.attempts,
            chain=self.chain,
        )
