"""Jobs on an engine that is reached by TCP and TLS: nothing of this host is mounted (design R3, R8)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.jobdir.orders import Order
from tests.support.docker import DockerLab
from tests.support.docker_jobs import output_of, place_docker_job
from tests.support.jobs import PlacedJob
from tests.support.runner import RunnerProcess, trace_lines
from tests.support.second_engine import SecondEngine, second_engine, why_no_second_engine

pytestmark = [pytest.mark.integration, pytest.mark.docker]

_LOOP = "while :; do sleep 0.1 || true; done"
#: Names a gitlab-runner-helper of gitlab-runner's own, where the machine has one.
_HELPER_BINARY = "PYRUNNER_TEST_HELPER_BINARY"


@pytest.fixture(scope="module")
def engine() -> Iterator[SecondEngine]:
    """An engine that is far away, as far as pyrunner can tell."""
    if reason := why_no_second_engine():
        pytest.skip(reason)
    with second_engine(tls=True, live_restore=True) as running:
        yield running


@pytest.fixture
def lab(engine: SecondEngine) -> Iterator[DockerLab]:
    """A lab on it; nothing may be left when a test is over."""
    lab = engine.lab()
    yield lab
    assert engine.things(lab.api) == []


def _place(folder: Path, engine: SecondEngine, lab: DockerLab, **arguments: Any) -> PlacedJob:
    docker = {
        **engine.settings,
        "helper_image": engine.helper(lab),
        "volumes": ["/cache"],
        "disable_cache": True,
        **arguments.pop("docker", {}),
    }
    return place_docker_job(folder, lab, docker=docker, **arguments)


def _mounts(lab: DockerLab) -> list[dict[str, Any]]:
    return [mount for one in lab.api.containers(all=True) for mount in one["Mounts"]]


def test_a_job_and_its_after_script(tmp_path: Path, engine: SecondEngine, lab: DockerLab) -> None:
    """Builds and cache are volumes, which all stages share; the container's files outlive a step."""
    job = _place(
        tmp_path,
        engine,
        lab,
        script=["pwd", "touch /left here /cache/kept", "export GONE=1", "echo wrong >&2", "exit 9"],
        after_script=["ls /left /cache", 'echo "[$GONE]"', "ls", "echo $CI_JOB_STATUS"],
    )
    result = job.finish()
    assert (result.failure_reason, result.exit_code) == ("script_failure", 9)
    assert sorted(output_of(job)) == ["/builds/group/project", "wrong"]
    assert output_of(job, "after_script")[1:] == ["/left", "", "/cache:", "kept", "[]", "here", "failed"]


def test_nothing_of_this_host_is_mounted(tmp_path: Path, engine: SecondEngine, lab: DockerLab) -> None:
    """The folders that a host path would name there are somebody else's."""
    job = _place(tmp_path, engine, lab, script=["echo here; while :; do sleep 0.1; done"]).start()
    job.await_output(b"here")
    mounts = _mounts(lab)
    job.order(Order.ABORT)
    job.finish()
    assert mounts
    assert {one["Type"] for one in mounts} == {"volume"}


def test_large_output(tmp_path: Path, engine: SecondEngine, lab: DockerLab) -> None:
    """Ten million bytes, each stream byte for byte, a line longer than any buffer among them."""
    script = [
        "awk 'BEGIN { for (i = 0; i < 250000; i++) printf \"%019d\\n\", i }'",
        "head -c 5000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the end",
    ]
    job = _place(tmp_path, engine, lab, script=script, runner={"output_limit": 20000})
    assert job.finish().state == "success"
    raw = job.control.raw_log.read_bytes()
    numbers = b"".join(b"%019d\n" % number for number in range(250000))
    at = raw.index(b"%019d" % 0)
    received = raw[at:].replace(b"x" * 1000, b"")
    assert raw.count(b"x") >= 5_000_000
    assert hashlib.sha256(_digits(raw[at:])).digest() == hashlib.sha256(numbers).digest()
    assert b"the end\n" in received


def _digits(raw: bytes) -> bytes:
    """Return the lines of digits of a log, whatever was moved between them."""
    kept = raw.replace(b"x", b"")
    return b"".join(line + b"\n" for line in kept.split(b"\n") if len(line) == 19 and line.isdigit())


def test_a_user_that_is_not_root(tmp_path: Path, engine: SecondEngine, lab: DockerLab) -> None:
    """It writes to the sources and to the cache, which were open to all when they were made."""
    job = _place(
        tmp_path,
        engine,
        lab,
        image=lab.image("USER 4711:4711"),
        script=["id -u", "echo x > file", "echo x > /cache/file", "echo again > /dev/stdout"],
    )
    assert job.finish().state == "success"
    assert output_of(job) == ["4711", "again"]


def test_an_entrypoint(tmp_path: Path, engine: SecondEngine, lab: DockerLab) -> None:
    """It prepares what the script finds; what it prints comes first."""
    files = {"prepare": b'#!/bin/sh\necho preparing; export PREPARED=yes\nexec "$@"\n'}
    image = lab.image('ENTRYPOINT ["/prepare"]', files=files)
    job = _place(tmp_path, engine, lab, image=image, script=['echo "prepared: $PREPARED"'])
    assert job.finish().state == "success"
    assert output_of(job) == ["preparing", "prepared: yes"]


def test_cancel_runs_traps_and_after_script(tmp_path: Path, engine: SecondEngine, lab: DockerLab) -> None:
    """As with an engine that is near."""
    job = _place(
        tmp_path,
        engine,
        lab,
        script=["touch /kept", "trap 'echo trapped; exit 1' TERM", "echo re''ady", _LOOP],
        after_script=["ls /kept 2>/dev/null || echo fresh"],
    ).start()
    job.await_output(b"ready\n")
    job.order(Order.CANCEL)
    assert job.finish().failure_reason == "job_canceled"
    assert "trapped" in output_of(job)
    assert output_of(job, "after_script")[-1] == "fresh"


def test_a_killed_supervisor(tmp_path: Path, engine: SecondEngine, lab: DockerLab) -> None:
    """Killed while the script prints, started again: every line once."""
    job = _place(
        tmp_path, engine, lab, script=["for i in $(seq 200); do echo line $i; sleep 0.01; done"]
    ).start()
    job.await_output(b"line 50\n")
    job.kill()
    assert job.finish().state == "success"
    assert output_of(job) == [f"line {i}" for i in range(1, 201)]


def test_more_output_than_fits_while_no_supervisor_lives(
    tmp_path: Path, engine: SecondEngine, lab: DockerLab
) -> None:
    """The last of it waits with the engine for as long as it takes."""
    job = _place(tmp_path, engine, lab, script=["echo re''ady; sleep 0.5; seq 100000; echo the end"]).start()
    job.await_output(b"ready\n")
    job.kill()
    RunnerProcess.until(lambda: not _running_build(lab, job), "the container has ended")
    assert job.finish().state == "success"
    assert output_of(job) == ["ready", *(str(i) for i in range(1, 100001)), "the end"]


def _running_build(lab: DockerLab, job: PlacedJob) -> bool:
    return bool(lab.api.inspect_container(f"execute_1_1_{job.payload['id']}")["State"]["Running"])


@pytest.mark.parametrize("ends", ["stop", "kill"])
def test_an_engine_that_is_restarted(tmp_path: Path, engine: SecondEngine, lab: DockerLab, ends: str) -> None:
    """With live-restore the container goes on; what it prints while nobody is connected is in the trace."""
    parts = [f"for i in $(seq {first} {first + 99}); do echo line $i; done" for first in (1, 101, 201)]
    waits = [f"touch /cache/{name}; while [ ! -e /cache/go{name} ]; do sleep 0.05; done" for name in "ab"]
    job = _place(
        tmp_path,
        engine,
        lab,
        script=[parts[0], waits[0], parts[1], waits[1], parts[2], "echo wrong >&2", "exit 5"],
        after_script=["echo after"],
    ).start()
    job.await_output(b"line 100\n")
    [cache] = _sources_of(lab, job, "/cache")
    getattr(engine, ends)()
    (cache / "goa").touch()
    RunnerProcess.until((cache / "b").exists, "it prints while nobody is connected")
    engine.start()
    job.await_output(b"line 200\n")
    (cache / "gob").touch()
    assert job.finish().exit_code == 5
    lines = output_of(job)
    assert [one for one in lines if one != "wrong"] == [f"line {i}" for i in range(1, 301)]
    assert lines.count("wrong") == 1
    assert output_of(job, "after_script")[1:] == ["after"]


def test_an_engine_that_is_away_at_the_end(tmp_path: Path, engine: SecondEngine, lab: DockerLab) -> None:
    """Its exit code is found when the engine is back; the trace warns that the last lines may be missing."""
    job = _place(
        tmp_path,
        engine,
        lab,
        script=[
            "echo one",
            "while [ ! -e /cache/go ]; do sleep 0.05; done",
            "echo two; touch /cache/end",
            "exit 6",
        ],
    ).start()
    job.await_output(b"one\n")
    [cache] = _sources_of(lab, job, "/cache")
    engine.stop()
    (cache / "go").touch()
    RunnerProcess.until((cache / "end").exists, "it has come to its end")
    engine.start()
    assert job.finish().exit_code == 6
    assert output_of(job)[0] == "one"
    assert "WARNING: The container engine could not be reached when the script ended" in job.trace.decode()


def _sources_of(lab: DockerLab, job: PlacedJob, destination: str) -> list[Path]:
    """Return the folder of a volume: the engine that is so far away has it on this machine."""
    mounts = lab.api.inspect_container(f"execute_1_1_{job.payload['id']}")["Mounts"]
    return [Path(one["Source"]) for one in mounts if one["Destination"] == destination]


def test_artifacts(
    tmp_path: Path, engine: SecondEngine, lab: DockerLab, coordinator: EmbeddedCoordinator
) -> None:
    """They go from the volume to the coordinator, and into the next job's volume."""
    helper = engine.helper(lab, {"bin/gitlab-runner-helper": _helper_binary()})
    settings = {
        **engine.settings,
        "image": lab.image(),
        "pull_policy": ["if-not-present"],
        "helper_image": helper,
        "network_mode": "host",
        "disable_cache": True,
    }
    token = coordinator.add_runner()
    with RunnerProcess(tmp_path, coordinator.url, token, executor="docker", docker=settings):
        first = coordinator.enqueue(
            script=["echo made > file"],
            variables={"GIT_STRATEGY": "none"},
            artifacts={"paths": ["file"], "artifact_type": "archive", "artifact_format": "zip"},
        )
        coordinator.wait_for(first, "success")
        second = coordinator.enqueue(
            script=["cat file"], variables={"GIT_STRATEGY": "none"}, dependencies=[first]
        )
        coordinator.wait_for(second, "success")
    assert "made" in trace_lines(coordinator.trace(second))


def _helper_binary() -> bytes:
    """Return gitlab-runner's own helper: a static program, for an image that has nothing else."""
    path = os.environ.get(_HELPER_BINARY, "")
    if not path:
        pytest.skip(f"{_HELPER_BINARY} names no gitlab-runner-helper")
    return Path(path).read_bytes()
