"""A container that is made beside other stages, and supervisors that die meanwhile (design R3, 5)."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.labels import JOB_LABEL
from pyrunner.executors.docker.stages.box import Box
from pyrunner.executors.docker.stages.stage_container import StageContainer
from pyrunner.executors.docker.stages.starter import Starter, StarterLock
from tests.support.docker import DockerLab
from tests.support.job_reports import JobLife

pytestmark = [pytest.mark.integration, pytest.mark.docker]

_ENDPOINT = Endpoint("unix:///var/run/docker.sock")


class _Site:
    """A folder for the starter's files, and a container that it can make."""

    def __init__(self, folder: Path, lab: DockerLab) -> None:
        self.life = JobLife(folder / "life")
        self.lab = lab
        self.name = f"pyrunner-test-{lab.mark}-build"
        self.box = Box(folder / "boxes/build")
        self.box.make()
        self.starting = StarterLock.of(self.box.folder)
        self.go = folder / "go"
        os.mkfifo(self.go)
        self.body: dict[str, Any] = {
            "Image": lab.image(),
            "Cmd": ["sleep", "100"],
            "Labels": {**lab.labels, JOB_LABEL: self.name},
        }

    def create(self, engine: Engine) -> str:
        """Create it, once somebody has opened the FIFO."""
        self.go.read_bytes()
        return str(
            engine.call(
                lambda api: api.create_container_from_config(self.body, self.name)  # type: ignore[no-untyped-call]
            )["Id"]
        )

    def begin(self) -> Starter:
        """Start a starter that waits at the FIFO."""
        starter = Starter.begin(_ENDPOINT, self.create, self.starting)
        assert starter is not None
        return starter

    def let_go(self) -> None:
        """Let the starter that waits go on."""
        self.go.write_bytes(b"")


@pytest.fixture
def site(tmp_path: Path, docker_lab: DockerLab) -> _Site:
    """Everything of a job that a starter needs."""
    return _Site(tmp_path, docker_lab)


def test_it_is_created_and_runs(site: _Site) -> None:
    """The answer is the id of a container that runs; while it is made there is no second starter."""
    starter = site.begin()
    assert site.starting.busy
    assert Starter.begin(_ENDPOINT, site.create, site.starting) is None
    site.let_go()
    with site.life.supervisor() as (report, _):
        identity = starter.finish(report)
    assert site.lab.api.inspect_container(identity)["State"]["Running"]
    site.starting.wait()
    assert not site.starting.busy


def test_a_supervisor_waits_for_what_a_former_one_began(site: _Site) -> None:
    """It finds that container, and makes no second one, nor fails for its name."""
    site.begin()
    released = threading.Timer(0, site.let_go)

    def body() -> tuple[dict[str, Any], str]:
        raise AssertionError("a second container is to be made")

    with site.life.supervisor() as (report, _):
        container = StageContainer(Engine(_ENDPOINT), report, site.name, site.name, site.box, body)
        released.start()
        known = container.known()
    released.join()
    [made] = site.lab.api.containers(all=True, filters={"label": f"{JOB_LABEL}={site.name}"})
    assert known == made["Id"]


def test_what_cannot_be_created_is_left_to_the_caller(site: _Site) -> None:
    """No id: the caller tries by itself, and is told why where that belongs."""
    site.body["Image"] = "no-such-image:1"
    starter = site.begin()
    site.let_go()
    with site.life.supervisor() as (report, _):
        assert starter.finish(report) == ""


def test_what_cannot_be_started_is_told(site: _Site) -> None:
    """The engine's reason, as if the caller had started it."""
    site.body["Cmd"] = ["/no/such/program"]
    starter = site.begin()
    site.let_go()
    with site.life.supervisor() as (report, _), pytest.raises(EngineError, match="no such file"):
        starter.finish(report)


def test_a_killed_starter_tells_nothing(site: _Site) -> None:
    """The caller does it all by itself then."""
    starter = site.begin()
    os.kill(starter.pid, 9)
    with site.life.supervisor() as (report, _):
        assert starter.finish(report) == ""
    assert not site.starting.busy
