"""Which proxy a call goes through: the environment, read by Go's rules (runner-api.md 6.5).

requests' own reading differs in each of these points: ``ALL_PROXY`` does not count, the upper-case
name wins, loopback is never proxied, and ``NO_PROXY`` knows ``host:port``, networks, ``.suffix``,
``*.suffix`` and ``*``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SCHEMES = ("http", "https", "socks5", "socks5h")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxy settings of one environment.

    :raises ValueError: by :meth:`for_url`, when the setting that applies is not a proxy address.
    """

    http: str = field(default="", repr=False)
    https: str = field(default="", repr=False)
    no_proxy: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Proxies:
        """Read ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``, else their lower-case forms."""

        def value(name: str) -> str:
            return environment.get(name, "") or environment.get(name.lower(), "")

        return cls(http=value("HTTP_PROXY"), https=value("HTTPS_PROXY"), no_proxy=value("NO_PROXY"))

    def for_url(self, url: str) -> str | None:
        """Return the proxy to use for ``url``, None to go straight."""
        target = urlsplit(url)
        setting = self.https if target.scheme == "https" else self.http
        if not setting or self._bypasses(target):
            return None
        return _proxy_url(setting)

    def _bypasses(self, target: SplitResult) -> bool:
        host = (target.hostname or "").lower()
        port = target.port or _DEFAULT_PORTS.get(target.scheme, 0)
        address = _address(host)
        if host == "localhost" or (address is not None and address.is_loopback):
            return True
        return any(_matches(entry, host, port, address) for entry in self._entries())

    def _entries(self) -> list[str]:
        return [entry for part in self.no_proxy.split(",") if (entry := part.strip().lower())]


def _matches(entry: str, host: str, port: int, address: _Address | None) -> bool:
    """Tell whether one entry of ``NO_PROXY`` covers a host."""
    if entry == "*":
        return True
    network = _network(entry)
    if network is not None:
        return address is not None and address.version == network.version and address in network
    name, wanted_port = _split_port(entry)
    if wanted_port and wanted_port != str(port):
        return False
    other = _address(name)
    if other is not None:
        return address == other
    if name.startswith("*."):
        name = name[1:]
    if not name:
        return False
    if name.startswith("."):
        return host.endswith(name)
    return host == name or host.endswith(f".{name}")


def _network(entry: str) -> _Network | None:
    if "/" not in entry:
        return None
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _split_port(entry: str) -> tuple[str, str]:
    if _address(entry) is not None:  # a bare IPv6 address has colons, but no port
        return entry, ""
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit():
        return name.strip("[]"), port
    return entry.strip("[]"), ""


def _address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped if mapped is not None else address


def _proxy_url(setting: str) -> str:
    """Return a setting as URL; ``host:port`` alone means http.

    :raises ValueError: without the setting in its text, which may hold a password.
    """
    url = setting if "://" in setting else f"http://{setting}"
    try:
        parts = urlsplit(url)
        if parts.scheme in _SCHEMES and parts.hostname and parts.port != 0:
            return url
    except ValueError:
        pass  # said below, without the library's text, which repeats the setting
    raise ValueError("invalid proxy address in the environment: check HTTP_PROXY and HTTPS_PROXY")
