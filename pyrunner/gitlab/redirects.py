"""Following redirects by Go's rules (runner-api.md 6.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from pyrunner.gitlab.call import BodyFactory


@dataclass(frozen=True, slots=True)
class Hop:
    """One request on the way to the answer."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | BodyFactory | None = field(default=None, repr=False)


def next_hop(hop: Hop, status: int, headers: Mapping[str, str]) -> Hop | None:
    """Return the request that an answer redirects to, None when it is the answer itself.

    301, 302 and 303 turn anything but GET and HEAD into a GET without body; 307 and 308 keep both.
    The tokens' headers stay, also towards another host: object storage ignores them, and a
    coordinator that moved needs them. The URL's own user and password never go along.

    :raises ValueError: when the target is not an http or https URL.
    """
    location = headers.get("Location", "")
    if status not in (301, 302, 303, 307, 308) or not location:
        return None
    url = urljoin(hop.url, location)
    target = urlsplit(url)
    if target.scheme not in ("http", "https") or not target.hostname:
        raise ValueError("redirected to something that is not an http or https URL")
    if status in (307, 308):
        return Hop(hop.method, url, hop.headers, hop.body)
    kept = {key: value for key, value in hop.headers.items() if key != "Content-Type"}
    return Hop(hop.method if hop.method in ("GET", "HEAD") else "GET", url, kept)
