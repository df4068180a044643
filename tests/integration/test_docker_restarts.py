"""The engine goes away while jobs run, and comes back or does not (docker-executor.md 1.1, 11; design R5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.executors.docker.job import business_label
from pyrunner.executors.docker.labels import BUSINESS_LABEL, JOB_LABEL
from tests.support.docker import DockerLab
from tests.support.docker_jobs import output_of, place_docker_job
from tests.support.jobs import PlacedJob
from tests.support.runner import RunnerProcess
from tests.support.second_engine import SecondEngine, second_engine, why_no_second_engine

pytestmark = [pytest.mark.integration, pytest.mark.docker]

#: Tells where it is and waits for a word before it goes on.
_SCRIPT = [
    "for i in $(seq 500); do echo before $i; done; touch /shared/ready",
    "while [ ! -e /shared/go ]; do sleep 0.05; done",
    "for i in $(seq 500); do echo after $i; done; exit 7",
]
_LINES = [*(f"before {i}" for i in range(1, 501)), *(f"after {i}" for i in range(1, 501))]
#: Enough of git for a stage that fetches nothing.
_NO_GIT = b"""#!/bin/sh
if [ "$1" = init ]; then mkdir -p "$2"; fi
exit 0
"""
_SERVICE = b"#!/bin/sh\necho serving\nexec sleep 1000\n"


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[SecondEngine]:
    """An engine; the parameter says whether containers outlive it."""
    if reason := why_no_second_engine():
        pytest.skip(reason)
    with second_engine(live_restore=getattr(request, "param", False)) as running:
        yield running


def _place(folder: Path, engine: SecondEngine, lab: DockerLab, **arguments: Any) -> PlacedJob:
    (folder / "shared").mkdir(mode=0o777)
    (folder / "shared").chmod(0o777)
    docker = {
        **engine.settings,
        "helper_image": engine.helper(lab),
        "volumes": [f"{folder}/shared:/shared", "/anonymous"],
        "disable_cache": True,
        "wait_for_services_timeout": -1,
        **arguments.pop("docker", {}),
    }
    return place_docker_job(folder, lab, docker=docker, script=arguments.pop("script", _SCRIPT), **arguments)


def _await_ready(job: PlacedJob) -> None:
    RunnerProcess.until((job.folder / "shared" / "ready").exists, "the script runs")


def _let_go(job: PlacedJob) -> None:
    (job.folder / "shared" / "go").touch()


@pytest.mark.parametrize("engine", [True], indirect=True, ids=["live-restore"])
@pytest.mark.parametrize("ends", ["stop", "kill"])
def test_containers_that_outlive_the_engine(tmp_path: Path, engine: SecondEngine, ends: str) -> None:
    """The job goes on, with every byte and the right exit code; while the engine is away its script works."""
    lab = engine.lab()
    job = _place(tmp_path, engine, lab).start()
    _await_ready(job)
    getattr(engine, ends)()
    _let_go(job)
    job.await_output(b"after 500")
    engine.start()
    result = job.finish()
    assert (result.failure_reason, result.exit_code) == ("script_failure", 7)
    assert output_of(job) == _LINES
    assert engine.things(lab.api) == []


@pytest.mark.parametrize("engine", [True], indirect=True, ids=["live-restore"])
def test_an_entrypoint_outlives_the_engine(tmp_path: Path, engine: SecondEngine) -> None:
    """Where the container's own streams were attached to, the output is in the FIFO by then."""
    lab = engine.lab()
    image = lab.image('ENTRYPOINT ["/prepare"]', files={"prepare": b'#!/bin/sh\necho preparing\nexec "$@"\n'})
    job = _place(tmp_path, engine, lab, image=image).start()
    _await_ready(job)
    engine.stop()
    engine.start()
    _let_go(job)
    assert job.finish().exit_code == 7
    assert output_of(job) == ["preparing", *_LINES]


@pytest.mark.parametrize("engine", [True], indirect=True, ids=["live-restore"])
def test_a_workspace_stage_while_the_engine_is_restarted(tmp_path: Path, engine: SecondEngine) -> None:
    """The engine forgets what it executes: it is ended, and the stage is done again."""
    lab = engine.lab()
    hook = (
        "if [ -e /shared/ready ]; then echo again; else touch /shared/ready; "
        "n=0; while [ $n -lt 600 ]; do n=$((n+1)); sleep 0.1; echo $n > /shared/count; done; fi"
    )
    job = _place(
        tmp_path,
        engine,
        lab,
        docker={"helper_image": engine.helper(lab, {"bin/git": _NO_GIT})},
        runner={"pre_get_sources_script": hook},
        variables={"GIT_STRATEGY": "fetch"},
        script=["echo fine"],
    ).start()
    _await_ready(job)
    engine.stop()
    engine.start()
    assert job.finish().state == "success"
    count = (tmp_path / "shared" / "count").read_text()
    assert int(count) < 600
    assert output_of(job, "get_sources").count("again") == 1
    assert output_of(job) == ["fine"]


@pytest.mark.parametrize("ends", ["stop", "kill"])
def test_containers_that_go_with_the_engine(tmp_path: Path, engine: SecondEngine, ends: str) -> None:
    """The job ends as a failure of the system that names the engine; nothing is left when it is back."""
    lab = engine.lab()
    service = lab.image('ENTRYPOINT ["/serve"]', files={"serve": _SERVICE})
    job = _place(tmp_path, engine, lab, services=[{"name": service, "alias": "web"}]).start()
    _await_ready(job)
    getattr(engine, ends)()
    engine.start()
    result = job.finish()
    assert result.failure_reason == "runner_system_failure"
    assert "the container engine was" in result.message
    assert output_of(job) == _LINES[:500]
    assert engine.things(lab.api) == []


def test_the_engine_is_not_there(tmp_path: Path, engine: SecondEngine) -> None:
    """Preparation is tried three times, in gitlab-runner's words; the job ends as a failure of the system."""
    job = _place(tmp_path, engine, engine.lab())
    engine.stop()
    job.start("import pyrunner.build.runner as r; r.PREPARE_PAUSE = 0.1")
    result = job.finish()
    assert result.failure_reason == "runner_system_failure"
    text = job.trace.decode()
    assert text.count("ERROR: Preparation failed: ") == 3
    assert text.count("Will be retried in 100ms ...") == 3
    words = f"getting docker info: failed to connect to the docker API at {engine.socket}; check if the path "
    assert text.count(words) == 4


def test_the_engine_comes_back_between_attempts(tmp_path: Path, engine: SecondEngine) -> None:
    """What fails once may pass the next time."""
    lab = engine.lab()
    job = _place(tmp_path, engine, lab, script=["echo fine"])
    engine.stop()
    job.start("import pyrunner.build.runner as r; r.PREPARE_PAUSE = 1.0")
    job.await_output(b"Preparation failed")
    engine.start()
    assert job.finish().state == "success"
    assert engine.things(lab.api) == []


#: Halts the supervisor where everything has run and nothing is removed yet.
_HALT = """
import time, pathlib, pyrunner.executors.docker.executor as e
clean_up, folder = e.DockerExecutor.cleanup, pathlib.Path({folder!r})
def halt(self):
    (folder / "ready").touch()
    while not (folder / "go").exists(): time.sleep(0.02)
    clean_up(self)
e.DockerExecutor.cleanup = halt
"""


def test_the_engine_is_gone_at_clean_up(tmp_path: Path, engine: SecondEngine) -> None:
    """The job keeps its result and tells what stays; the next manager removes that, and nothing else's."""
    lab = engine.lab()
    job = _place(tmp_path, engine, lab, script=["echo fine"], variables={"FF_NETWORK_PER_BUILD": "true"})
    job.start(_HALT.format(folder=str(tmp_path / "shared")))
    _await_ready(job)
    engine.stop()
    _let_go(job)
    assert job.finish().state == "success"
    assert "ERROR: Failed to list containers: failed to connect to the docker API" in job.trace.decode()
    engine.start()
    assert any(f"_{job.payload['id']}" in one for one in engine.things(lab.api))
    others = _things_of_others(lab, tmp_path / "root" / "1")
    docker = {**engine.settings, "image": "busybox"}
    with (
        EmbeddedCoordinator(settings=CoordinatorSettings()) as coordinator,
        RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner(), executor="docker", docker=docker),
    ):
        RunnerProcess.until(lambda: engine.things(lab.api) == others, "leftovers are removed")


def _things_of_others(lab: DockerLab, business: Path) -> list[str]:
    """Make what no manager of this business may touch: another business's, nobody's, a cache."""
    other = {BUSINESS_LABEL: business_label("/elsewhere/1"), JOB_LABEL: "another"}
    image = lab.image()
    for name, labels in (("of-another-business", other), ("of-nobody", {})):
        lab.api.create_container(image, ["true"], name=name, labels=labels)
    lab.api.create_volume("a-cache", labels={BUSINESS_LABEL: business_label(str(business))})
    return ["/of-nobody", "/of-another-business", "a-cache"]
