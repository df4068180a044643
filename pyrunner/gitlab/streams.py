"""An answer whose body is still on its way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from requests import Response

from pyrunner.gitlab.answer import Reply, clean_url


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and headers of an answer, and its body to be read once, within the call's context.

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
