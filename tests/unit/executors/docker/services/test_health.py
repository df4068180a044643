"""The warning about a service that does not answer, and what checks it (docker-executor.md 5.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.labels import Role
from pyrunner.executors.docker.services.check import check_request
from pyrunner.executors.docker.services.health import HealthCheck, warning_block
from pyrunner.executors.docker.services.probe import Probe, ProbeEnd
from pyrunner.executors.docker.services.state import ServiceAddress, StartedService
from tests.support.job_reports import JobLife

SERVICE = StartedService(
    0,
    "0123456789abcdef",
    "job_svc0",
    "db:1",
    ["db"],
    [ServiceAddress("10.0.0.2"), ServiceAddress("fd00::2")],
    [80, 90],
)


def test_the_block_with_the_checks_own_log() -> None:
    """Byte for byte."""
    block = warning_block("job_svc0", ProbeEnd(' service "x" timeout\n', b"dialing"), b"one\ntwo")
    assert block == (
        b"\n\x1b[0;33m*** WARNING:\x1b[0;m Service job_svc0 probably didn't start properly.\n\n"
        b'Health check error:\nservice "x" timeout\n\n'
        b"Health check container logs:\ndialing\n\n"
        b"Service container logs:\none\ntwo\n\n"
        b"\x1b[0;33m*********\x1b[0;m\n\n"
    )


def test_the_block_of_a_check_that_never_ran() -> None:
    """Without the part about the check container; an empty log leaves its line."""
    block = warning_block("s", ProbeEnd("e"), b"")
    assert b"Health check container logs" not in block
    assert b"Health check error:\ne\n\nService container logs:\n\n\n\x1b[0;33m****" in block


def test_the_container_that_checks() -> None:
    """Address and ports come by its environment; the short id stands for the last address."""
    request = check_request(SERVICE, "sha256:helper", "net")
    assert (request.role, request.image, request.network) == (Role.CHECK, "sha256:helper", "net")
    assert list(request.command) == ["gitlab-runner-helper", "health-check"]
    assert list(request.environment) == [
        "WAIT_FOR_SERVICE_TCP_ADDR=0123456789ab",
        "WAIT_FOR_SERVICE_80_TCP_PORT=80",
        "WAIT_FOR_SERVICE_90_TCP_PORT=90",
    ]
    assert list(request.links) == ["0123456789ab:fd00::2"]
    assert request.labels == {"wait": "0123456789abcdef"}


class AnswersAfter:
    """A probe that comes to its end at its n-th step."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.closed = False

    def step(self) -> ProbeEnd | None:
        """Count."""
        self.left -= 1
        return ProbeEnd() if self.left <= 0 else None

    def log(self) -> bytes | None:
        """Tell nothing."""
        return None

    def close(self) -> None:
        """Note it."""
        self.closed = True


@pytest.mark.parametrize(("timeout", "services"), [(-1, [SERVICE]), (30, [])])
def test_nothing_to_wait_for(tmp_path: Path, timeout: int, services: list[StartedService]) -> None:
    """A negative time, or no services: not even the line."""

    def none(service: StartedService) -> Probe:
        raise AssertionError("nothing is asked")

    life = JobLife(tmp_path)
    with life.supervisor() as (report, _):
        HealthCheck(Engine(Endpoint("unix:///nowhere")), report, none, timeout).run(services)
    assert life.trace() == b""


def test_services_are_asked_side_by_side(tmp_path: Path) -> None:
    """One round asks all; the engine is not needed for those that answer; others get a turn meanwhile."""
    probes = [AnswersAfter(2), AnswersAfter(1), AnswersAfter(3)]
    services = [
        StartedService(**{**SERVICE.to_dict(), "index": index, "addresses": SERVICE.addresses})
        for index in range(3)
    ]
    rounds: list[int] = []
    life = JobLife(tmp_path)
    with life.supervisor() as (report, _):
        HealthCheck(
            Engine(Endpoint("unix:///nowhere")),
            report,
            lambda service: probes[service.index],
            30,
            meanwhile=lambda: rounds.append(1),
        ).run(services)
    assert (
        life.trace() == b"\x1b[0KWaiting for services to be up and running (timeout 30 seconds)...\x1b[0;m\n"
    )
    assert len(rounds) == 2
    assert [one.left for one in probes] == [0, 0, 0]
    assert all(one.closed for one in probes)
