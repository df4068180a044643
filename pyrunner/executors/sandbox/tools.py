"""Programs that carry a network namespace's packets as an ordinary user: slirp4netns, pasta.

Both run in a user namespace of their own as a user id that nobody else has (:mod:`.server`), so that a flaw
in one of them gives away a process that may do nothing but open connections.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

#: The sandbox's own addresses: from the range for benchmarks (RFC 2544), which no network uses.
NETWORK: Final = "198.19.213.0/24"
GATEWAY: Final = IPv4Address("198.19.213.2")
ADDRESS: Final = IPv4Address("198.19.213.100")
_LARGEST_PACKET: Final = "65520"


@dataclass(frozen=True)
class Tool:
    """A program, and how it is told to serve the namespaces of a process."""

    name: str
    #: Path of the network namespace → arguments.
    arguments: Callable[[str], list[str]]

    def command(self, namespace: str) -> list[str]:
        """Return the words that serve the network namespace at the path ``namespace``."""
        return [self.name, *self.arguments(namespace)]


def _pasta(namespace: str) -> list[str]:
    return [
        *("--config-net", "--ipv4-only", "--foreground", "--quiet"),
        # Otherwise the gateway is the host's loopback, and listening ports are offered both ways.
        "--no-map-gw",
        *("--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none"),
        *("--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra"),
        *("--ns-ifname", "eth0", "--mtu", _LARGEST_PACKET),
        # Not the host's own, which would then be out of reach.
        *("--address", str(ADDRESS), "--netmask", "24", "--gateway", str(GATEWAY)),
        *("--netns-only", "--netns", namespace),
    ]


def _slirp4netns(namespace: str) -> list[str]:
    return [
        *("--configure", f"--mtu={_LARGEST_PACKET}", f"--cidr={NETWORK}"),
        # Its name server answers from the host's loopback, and so would its gateway.
        *("--disable-host-loopback", "--disable-dns"),
        *("--enable-sandbox", "--enable-seccomp"),
        "--netns-type=path",
        namespace,
        "eth0",
    ]


#: Best first. pasta as Debian 12 has it (2023-03) lets a refused connection wait for its timeout, and
#: carried less (docs/adr/0008).
TOOLS: Final = (Tool("slirp4netns", _slirp4netns), Tool("pasta", _pasta))


def installed(which: Callable[[str], str | None] = shutil.which) -> tuple[Tool, ...]:
    """Return the tools of this host, best first."""
    return tuple(tool for tool in TOOLS if which(tool.name))
