"""A service is asked from this host: any port, again and again, until the time is over (5.5)."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from pyrunner.executors.docker.services.probe import HostProbe, ProbeEnd, reachable
from pyrunner.executors.docker.services.state import ServiceAddress, StartedService

LOOPBACK = "127.0.0.1"


class Clock:
    """Time stands still until a test moves it."""

    now = 1000.0

    def monotonic(self) -> float:
        """Return seconds."""
        return self.now

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return 1_700_000_000.25 + self.now - 1000.0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port that answers."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server


@pytest.fixture
def refused() -> Iterator[int]:
    """A port that nobody listens on: it is bound for the test's time."""
    with socket.socket() as bound:
        bound.bind((LOOPBACK, 0))
        yield bound.getsockname()[1]


def probe(clock: Clock, *ports: int, timeout: float = 30.0) -> HostProbe:
    """Return the probe of a service on this host."""
    service = StartedService(0, "0123456789abcdef", "job_svc0", "db", ["db"], [], list(ports))
    return HostProbe(service, [LOOPBACK], timeout, clock.monotonic, clock.wall)


def steps(one: HostProbe, clock: Clock, seconds: float) -> ProbeEnd | None:
    """Go on for so many seconds, or to the end."""
    for _ in range(round(seconds * 20)):
        if (end := one.step()) is not None:
            return end
        clock.now += 0.05
    return one.step()


def test_one_answering_port_is_enough(refused: int, listener: socket.socket) -> None:
    """Others may refuse."""
    clock = Clock()
    assert steps(probe(clock, refused, listener.getsockname()[1]), clock, 1) == ProbeEnd()


def test_a_port_that_opens_later_is_found(refused: int) -> None:
    """A refused connection is tried again."""
    clock = Clock()
    one = probe(clock, refused)
    assert steps(one, clock, 2) is None
    with socket.socket() as late:
        late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other = StartedService(0, "0123456789abcdef", "job_svc0", "db", ["db"], [], [])
        late.bind((LOOPBACK, 0))
        late.listen()
        again = HostProbe(
            StartedService(**{**other.to_dict(), "ports": [late.getsockname()[1]]}),
            [LOOPBACK],
            30.0,
            clock.monotonic,
            clock.wall,
        )
        assert steps(again, clock, 1) == ProbeEnd()


def test_the_log_is_that_of_gitlab_runners_check(refused: int) -> None:
    """One line what it waits for, then one for each port and second; times as the engine writes them."""
    clock = Clock()
    end = steps(probe(clock, refused, 70000, timeout=2.5), clock, 4)
    assert end is not None
    assert end.error == 'service "job_svc0-wait-for-service" timeout'
    lines = (end.log or b"").decode().split("\n")
    stamp = r"2023-11-14T22:13:2\d\.\d{9}Z "
    assert all(re.match(stamp, line) for line in lines)
    assert [re.sub(stamp, "", line) for line in lines] == [
        f"waiting for TCP connection to 0123456789ab on [{refused} 70000]...",
        *[f"dialing 0123456789ab:{refused}...", "dialing 0123456789ab:70000..."] * 3,
    ]


def test_it_ends_when_its_time_is_over(refused: int) -> None:
    """Not before."""
    clock = Clock()
    one = probe(clock, refused, timeout=5.0)
    clock.now += 4.9
    assert one.step() is None
    clock.now += 0.2
    assert one.step() is not None


def test_only_a_bridge_of_this_host_is_reached() -> None:
    """An address counts where its gateway is an address of this host."""
    addresses = [
        ServiceAddress("192.0.2.2", "192.0.2.1"),
        ServiceAddress("127.0.0.9", LOOPBACK),
        ServiceAddress("172.30.0.2", ""),
        ServiceAddress("fd00:db8::2", "fd00:db8::1"),
        ServiceAddress("10.1.1.1", "not an address"),
    ]
    assert reachable(StartedService(addresses=addresses)) == ["127.0.0.9"]
