"""Where the session server listens, and where the coordinator finds it (config-and-commands.md 1.4)."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import Final, Self

from pyrunner.config.tables import SessionServer
from pyrunner.errors import ConfigError
from pyrunner.metrics.listen import ListenAddress, open_listener

_ADDRESS: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]*))(?::(?P<port>[A-Za-z0-9-]+))?"
)


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
        if not listen_port:
            raise ConfigError(_no_address("listen_address", settings.listen_address))
        advertised = settings.advertise_address or settings.listen_address
        key = "advertise_address" if settings.advertise_address else "listen_address"
        host, port = _split(advertised, key)
        # gitlab-runner takes the other address's host here, and advertises an URL without any.
        if not host:
            raise ConfigError(
                f"session_server.{key}: {advertised!r} names no host; "
                "set advertise_address to the host:port by which GitLab reaches this machine"
            )
        shown = f"[{host}]" if ":" in host else host
        url = f"https://{shown}:{port}" if port else f"https://{shown}"
        return cls(listen_host, listen_port, url, host)

    def listen(self) -> socket.socket:
        """Return a socket that listens; nobody accepts its connections yet.

        :raises ListenAddressError: when nothing can listen there.
        """
        return open_listener(ListenAddress(self.listen_host, self.listen_port))


def _split(address: str, key: str) -> tuple[str, str]:
    """Return host and port, which may be empty; an IPv6 address has brackets, as Go wants it.

    :raises ConfigError: when it is something else.
    """
    if "://" in address:
        raise ConfigError(
            f"session_server.{key}: {address!r}: url not valid, scheme defined; write host:port"
        )
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ConfigError(_no_address(key, address))
    return found["six"] or found["host"] or "", found["port"] or ""


def _no_address(key: str, address: str) -> str:
    return f"session_server.{key}: {address!r} is no address; write host:port"
