"""Networks of other containers on this host: a container does not reach them, the host does.

Docker keeps its bridges apart (its DOCKER-ISOLATION chains), but the packets of a user-mode network leave as
the host's own, which no such rule sees. They are therefore made unreachable inside the sandbox's network.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from pyrunner.executors.sandbox.netlink import HostAddress

#: The engine's own bridge, on which containers live that no network was named for.
DEFAULT_BRIDGE: Final = "docker0"
_INTERFACES: Final = Path("/sys/class/net")
_ROUTES: Final = Path("/proc/net/route")


@dataclass(frozen=True)
class Neighbours:
    """Decides which networks of this host the sandbox must not reach."""

    #: Bridges that a container of the job would be on.
    allowed: frozenset[str] = frozenset({DEFAULT_BRIDGE})
    interfaces: Path = _INTERFACES
    routes: Path = _ROUTES

    def refused(self, addresses: Iterable[HostAddress]) -> list[tuple[IPv4Network, IPv4Address]]:
        """Return networks of other bridges, each with the host's own address in it.

        The latter stays reachable: it is the host's, and what listens there is meant for everybody.
        """
        found = []
        for one in addresses:
            try:
                name = socket.if_indextoname(one.interface)
            except OSError:
                continue
            if self.is_refused(name):
                found.append((one.address.network, one.address.ip))
        return found

    def is_refused(self, name: str) -> bool:
        """Tell whether an interface is a bridge of other containers or virtual machines."""
        place = self.interfaces / name
        if name in self.allowed or not (place / "bridge").is_dir():
            return False
        # The machine's own network may be a bridge, too: then it has a card in it, or leads out.
        return not self._leads_out(name) and not any(self._is_card(one) for one in _members(place))

    def _leads_out(self, name: str) -> bool:
        try:
            lines = self.routes.read_text().splitlines()[1:]
        except OSError:
            return False
        return any(line.split()[:2] == [name, "00000000"] for line in lines)

    def _is_card(self, name: str) -> bool:
        place = self.interfaces / name
        if (place / "device").exists() or (place / "bonding").exists():
            return True
        return "DEVTYPE=vlan" in _text(place / "uevent")


def _members(bridge: Path) -> list[str]:
    try:
        return [one.name for one in (bridge / "brif").iterdir()]
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
