"""What a job request offers the coordinator for interactive terminals (runner-api.md 1.7, 9.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

#: Raw bytes in binary frames; what GitLab asks for.
RAW: Final = "terminal.gitlab.com"
#: The same in base64, in text frames.
BASE64: Final = "base64.terminal.gitlab.com"


@dataclass(frozen=True, slots=True)
class SessionOffer:
    """One session: the coordinator keeps it with the job that it hands out in answer."""

    #: ``https://<advertised address>/session/<64 hex digits>``.
    url: str
    #: The server's certificate, PEM; the coordinator trusts nothing else.
    certificate: str
    #: What comes back in the header ``Authorization``.
    authorization: str = field(repr=False)
    #: Seconds that an open terminal keeps an ended job alive.
    timeout: float

    @property
    def endpoint(self) -> str:
        """The path of the session's URL."""
        return urlsplit(self.url).path

    def payload(self) -> dict[str, str]:
        """Return the member ``session`` of a job request."""
        return {"url": self.url, "certificate": self.certificate, "authorization": self.authorization}
