"""Does a service answer? Asked from this host, where it can reach the service (docker-executor.md 5.5)."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from pyrunner.executors.docker.services.state import StartedService
from pyrunner.system.golang import quoted

#: Seconds between two tries at one port, and between two that are told of.
_RETRY: Final = 0.2
_TELL: Final = 1.0
#: The kernel is at it.
_PENDING: Final = (errno.EINPROGRESS, errno.EALREADY)
#: Any port: nothing is sent to it.
_DISCARD: Final = 9


@dataclass(frozen=True)
class ProbeEnd:
    """How a health check ended; an empty ``error`` means that the service answers."""

    error: str = ""
    #: What the check itself printed; None: nothing was run that could have.
    log: bytes | None = None


class Probe(Protocol):
    """The check of one service, a step at a time."""

    def step(self) -> ProbeEnd | None:
        """Go on without waiting; returns the end when there is one."""

    def log(self) -> bytes | None:
        """Return what the check has printed so far; None when nothing was run that could have."""

    def close(self) -> None:
        """Release what it holds; safe twice."""


def check_name(service: StartedService) -> str:
    """Return what the check of a service is called, as a container and in messages."""
    return f"{service.name}-wait-for-service"


def timeout_text(service: StartedService) -> str:
    """Return what the trace says when no port has answered in time."""
    return f"service {quoted(check_name(service))} timeout"


def reachable(service: StartedService) -> list[str]:
    """Return the addresses that this host reaches as a container beside the service would.

    Those of a bridge whose gateway is this host. An engine in a virtual machine, in another network
    namespace (rootless, or this runner in a container) has a gateway of its own.
    """
    return [one.ip for one in service.addresses if one.gateway and _is_own(one.gateway)]


def _is_own(address: str) -> bool:
    """Tell whether an address is this host's: then it is also where a packet to it comes from."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, _DISCARD))
        return bool(probe.getsockname()[0] == address)
    return False


class HostProbe:
    """Connects to all ports of a service until one answers; keeps a log as gitlab-runner's check does."""

    def __init__(
        self,
        service: StartedService,
        addresses: list[str],
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._clock, self._wall = clock, wall
        self._ends = clock() + timeout
        self._lines: list[str] = []
        ports = " ".join(str(port) for port in service.ports)
        self._tell(f"waiting for TCP connection to {service.short_id} on [{ports}]...")
        self._dials = [_Dial(ip, port, ip == addresses[0]) for port in service.ports for ip in addresses]

    def step(self) -> ProbeEnd | None:
        """See :class:`Probe`."""
        now = self._clock()
        for dial in self._dials:
            if dial.due(now) and dial.tells and now >= dial.tell_at:
                self._tell(f"dialing {self._service.short_id}:{dial.port}...")
                dial.tell_at = now + _TELL
            if dial.answers(now):
                self.close()
                return ProbeEnd()
        if now < self._ends:
            return None
        self.close()
        return ProbeEnd(timeout_text(self._service), self.log())

    def close(self) -> None:
        """See :class:`Probe`."""
        for dial in self._dials:
            dial.close()

    def log(self) -> bytes:
        """Return what it has to tell so far."""
        return "\n".join(self._lines).encode()

    def _tell(self, text: str) -> None:
        now = self._wall()
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        self._lines.append(f"{second}.{int(now % 1 * 1e9):09d}Z {text}")


class _Dial:
    """Tries one port of one address, again and again."""

    def __init__(self, address: str, port: int, tells: bool) -> None:
        self._address, self.port = address, port
        self.tells = tells
        self.tell_at = 0.0
        self._next = 0.0
        self._socket: socket.socket | None = None

    def due(self, now: float) -> bool:
        """Tell whether a new try is to be made."""
        return self._socket is None and now >= self._next

    def answers(self, now: float) -> bool:
        """Go on with the try, or begin one when it is time; tell whether the port has accepted."""
        if self.due(now):
            self._next = now + _RETRY
            if self._begin():
                return True
        return self._socket is not None and self._accepted(self._socket)

    def close(self) -> None:
        """Give up the try that is under way."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _begin(self) -> bool:
        if not 0 < self.port < 65536:
            return False
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        try:
            fresh = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        except OSError:
            return False
        self._socket = fresh
        code = fresh.connect_ex((self._address, self.port))
        if code == 0:
            return True
        if code not in _PENDING:
            self.close()
        return False

    def _accepted(self, pending: socket.socket) -> bool:
        poller = select.poll()
        poller.register(pending, select.POLLOUT)
        if not poller.poll(0):
            return False
        failed = pending.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            self.close()
        return not failed
