"""IPv4 addresses and routes by rtnetlink(7): no program to start, and events as they happen."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Final

#: Events: an IPv4 address came or went; a route.
ADDRESS_EVENTS: Final = 0x10
ROUTE_EVENTS: Final = 0x40

_NEWADDR, _GETADDR, _NEWROUTE, _GETROUTE = 20, 22, 24, 26
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP, _CREATE, _EXCL = 0x1, 0x4, 0x300, 0x400, 0x200
_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
#: struct ifaddrmsg: family, prefix length, flags, scope, interface.
_ADDRESS: Final = struct.Struct("=BBBBI")
#: struct rtmsg: family, destination and source length, tos, table, protocol, scope, type, flags.
_ROUTE: Final = struct.Struct("=BBBBBBBBI")
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_GATEWAY = 1, 5
_TABLE_MAIN, _PROTOCOL_STATIC = 254, 4
_UNICAST, _UNREACHABLE = 1, 7


@dataclass(frozen=True, slots=True)
class HostAddress:
    """An address of this host, and the interface that has it."""

    interface: int
    address: IPv4Interface


class Netlink:
    """One socket; it speaks to the network namespace it was made in, wherever its process goes."""

    def __init__(self, events: int = 0) -> None:
        """Open it.

        :param events: which to receive, or'ed.
        :raises OSError: as the kernel says.
        """
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._socket.bind((0, events))
        self._sequence = 0

    def fileno(self) -> int:
        """Return the descriptor: readable when an event is there."""
        return self._socket.fileno()

    def close(self) -> None:
        """Release it."""
        self._socket.close()

    def addresses(self) -> list[HostAddress]:
        """Return all IPv4 addresses of the namespace."""
        self._send(_GETADDR, _REQUEST | _DUMP, _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0))
        return [found for kind, body in self._answers() if kind == _NEWADDR and (found := _address(body))]

    def has_default_route(self) -> bool:
        """Tell whether the namespace has a way out."""
        self._send(_GETROUTE, _REQUEST | _DUMP, _ROUTE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0))
        found = False
        for kind, body in self._answers():
            if kind == _NEWROUTE:
                family, length, *_, table, _protocol, _scope, route_type, _flags = _ROUTE.unpack_from(body)
                ours = family == socket.AF_INET and table == _TABLE_MAIN
                found = found or (ours and not length and route_type == _UNICAST)
        return found

    def refuse(self, network: IPv4Network) -> None:
        """Make ``network`` unreachable.

        :raises OSError: as the kernel says.
        """
        self._add_route(network, _UNREACHABLE, [(_RTA_DST, network.network_address.packed)])

    def lead(self, address: IPv4Address, gateway: IPv4Address) -> None:
        """Send what goes to ``address`` to ``gateway``, whatever is said of its network.

        :raises OSError: as the kernel says.
        """
        attributes = [(_RTA_DST, address.packed), (_RTA_GATEWAY, gateway.packed)]
        self._add_route(IPv4Network(address), _UNICAST, attributes)

    def drop_events(self) -> None:
        """Throw away what is there to be read: the state is looked up instead."""
        while True:
            try:
                self._socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def _add_route(self, network: IPv4Network, kind: int, attributes: list[tuple[int, bytes]]) -> None:
        message = _ROUTE.pack(
            socket.AF_INET, network.prefixlen, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, 0, kind, 0
        )
        for name, value in attributes:
            message += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), name) + value
        self._send(_NEWROUTE, _REQUEST | _ACK | _CREATE | _EXCL, message)
        try:
            for _ in self._answers():
                pass
        except FileExistsError:
            return

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, flags, self._sequence, 0)
        self._socket.send(header + body)

    def _answers(self) -> Iterator[tuple[int, bytes]]:
        """Yield the messages that answer the last request, events left out, until its end."""
        while True:
            data = self._socket.recv(1 << 18)
            while len(data) >= _HEADER.size:
                length, kind, _, sequence, _ = _HEADER.unpack_from(data)
                body, data = data[_HEADER.size : length], data[(length + 3) & ~3 :]
                if sequence != self._sequence:
                    continue
                if kind == _ERROR:
                    number = -int.from_bytes(body[:4], "little", signed=True)
                    if number:
                        raise OSError(number, os.strerror(number))
                    return
                if kind == _DONE:
                    return
                yield kind, body


def _address(body: bytes) -> HostAddress | None:
    family, length, _, _, interface = _ADDRESS.unpack_from(body)
    if family != socket.AF_INET:
        return None
    found: dict[int, bytes] = {}
    rest = body[_ADDRESS.size :]
    while len(rest) >= _ATTRIBUTE.size:
        size, name = _ATTRIBUTE.unpack_from(rest)
        found[name] = rest[_ATTRIBUTE.size : size]
        rest = rest[(size + 3) & ~3 :]
    packed = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
    return HostAddress(interface, IPv4Interface((packed, length))) if packed else None
