"""Where the session server listens, and where the coordinator finds it (config-and-commands.md 1.4)."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from pyrunner.config.tables import SessionServer
from pyrunner.errors import ConfigError, ListenAddressError


@dataclass(frozen=True, slots=True)
class SessionAddress:
    """Both addresses of ``[session_server]``."""

    #: Empty: all interfaces.
    listen_host: str
    listen_port: str
    #: ``https://host:port``, what the coordinator is told.
    url: str
    #: The name or address that the certificate is for.
    host: str

    @classmethod
    def of(cls, settings: SessionServer) -> Self:
        """Return the addresses that are configured.

        :raises ConfigError: when they are not ``host:port``, or nobody could reach them.
        """
        listen_host, listen_port = _split(settings.listen_address, "listen_address")
        advertised = settings.advertise_address or settings.listen_address
        key = "advertise_address" if settings.advertise_address else "listen_address"
        if "://" in advertised:
            raise ConfigError(
                f"session_server.{key}: {advertised!r}: url not valid, scheme defined; write host:port"
            )
        host, port = _split(advertised, key)
        # gitlab-runner takes the other address's host here, and advertises an URL without any.
        if not host:
            raise ConfigError(
                f"session_server.{key}: {advertised!r} names no host; "
                "set advertise_address to the host:port by which GitLab reaches this machine"
            )
        shown = f"[{host}]" if ":" in host else host
        url = f"https://{shown}:{port}"
        if urlsplit(url).hostname is None:
            raise ConfigError(f"session_server.{key}: {advertised!r} is no address; write host:port")
        return cls(listen_host, listen_port, url, host)

    def listen(self) -> socket.socket:
        """Return a socket that listens; nobody accepts its connections yet.

        :raises ListenAddressError: when nothing can listen there.
        """
        host = self.listen_host
        try:
            found = socket.getaddrinfo(
                host or None, self.listen_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            if not host and socket.has_dualstack_ipv6():
                port = int(found[0][4][1])
                return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
            family, _, _, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
            return socket.create_server(place[:2], family=family)
        except (OSError, OverflowError, UnicodeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            shown = f"[{host}]" if ":" in host else host
            raise ListenAddressError(
                f"session_server.listen_address: listen tcp {shown}:{self.listen_port}: {reason}"
            ) from error


def _split(address: str, key: str) -> tuple[str, str]:
    """Return host and port; an IPv6 address has brackets, as Go wants it.

    :raises ConfigError: when it is something else.
    """
    if "://" in address:
        raise ConfigError(f"session_server.{key}: {address!r}: write host:port, without a scheme")
    if address.startswith("["):
        host, closing, rest = address[1:].partition("]")
        good = bool(closing) and rest.startswith(":")
        port = rest[1:]
    else:
        host, colon, port = address.rpartition(":")
        good = bool(colon) and ":" not in host
    if not good or not port or any(one in address for one in "/@?# "):
        raise ConfigError(f"session_server.{key}: {address!r} is no address; write host:port")
    return host, port
