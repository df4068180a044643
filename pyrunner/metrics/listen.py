"""Where the metrics server listens: ``listen_address``, ``--listen-address`` (config-and-commands.md 4)."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Final

from pyrunner.errors import ListenAddressError

DEFAULT_PORT: Final = "9252"
_LOOPBACK: Final = "127.0.0.1"
_HIGHEST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A host and a port.

    :param host: empty: all interfaces; an IPv6 address has no brackets.
    :param port: a number, or the name of a service.
    """

    host: str
    port: str = DEFAULT_PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_listen_address(text: str) -> ListenAddress | None:
    """Return what an address means; None when there is none.

    A host alone gets port 9252, ``:9252`` means all interfaces, as with gitlab-runner. A number alone, of
    which gitlab-runner makes nothing, is a port of the loopback interface.

    :raises ListenAddressError: when it is none.
    """
    if not text:
        return None
    if text.isascii() and text.isdecimal():
        return ListenAddress(_LOOPBACK, text)
    if text.startswith("["):
        host, closing, rest = text[1:].partition("]")
        if not closing:
            raise ListenAddressError(f"address {text}: missing ']' in address")
        if rest and not rest.startswith(":"):
            raise ListenAddressError(f"address {text}: missing port in address")
    else:
        host, colon, port = text.partition(":")
        rest = colon + port
    if ":" in rest[1:]:
        raise ListenAddressError(f"address {text}: too many colons in address")
    if any(one in host + rest for one in "[]"):
        raise ListenAddressError(f"address {text}: unexpected bracket in address")
    return ListenAddress(host, rest[1:] or DEFAULT_PORT)


def open_listener(address: ListenAddress) -> socket.socket:
    """Return a socket that listens; nobody accepts its connections yet.

    :raises ListenAddressError: when nothing can listen there.
    """
    if address.port.isdecimal() and int(address.port) > _HIGHEST_PORT:
        # The library would take what is left of it beyond 16 bits.
        raise ListenAddressError(f"listen tcp {address}: invalid port")
    try:
        if not address.host and socket.has_dualstack_ipv6():
            port = _port_of(address.port)
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        found = socket.getaddrinfo(
            address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        # A name with addresses of both kinds: the one that gitlab-runner takes.
        family, _, _, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
        return socket.create_server(place[:2], family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ListenAddressError(f"listen tcp {address}: {_reason(error)}") from error


def _port_of(port: str) -> int:
    """Return the number of a port.

    :raises OSError: when no service has this name.
    """
    return int(socket.getaddrinfo(None, port, type=socket.SOCK_STREAM)[0][4][1])


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
