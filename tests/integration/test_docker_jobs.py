"""Docker jobs on a real engine: one build container, what jobs see of it, its ends (docker-executor.md 1)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pyrunner.jobdir.orders import Order
from tests.support.docker import DockerLab
from tests.support.docker_jobs import containers_of, output_of, place_docker_job
from tests.support.hierarchies import engine_sees_memory
from tests.support.jobs import PlacedJob
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.docker]

#: Runs until it is told to end.
_LOOP = "while :; do sleep 0.1 || true; done"
#: An entrypoint that prepares the environment and hands over to the command.
PREPARING = b'#!/bin/sh\necho preparing; echo careful >&2; export PREPARED=yes\nexec "$@"\n'


def test_a_job_and_its_after_script(tmp_path: Path, docker_lab: DockerLab) -> None:
    """Files of the container outlive a step; processes and environment do not; nothing is left behind."""
    job = place_docker_job(
        tmp_path,
        docker_lab,
        script=["touch /left", "sleep 1000 &", "export GONE=1", "echo $CI_PROJECT_DIR $(pwd)"],
        after_script=["ls /left", 'echo "[$GONE]"', "ps | grep -c '[s]leep 1000' || true"],
    )
    assert job.finish().state == "success"
    assert output_of(job) == ["/builds/group/project /builds/group/project"]
    assert output_of(job, "after_script")[1:] == ["/left", "[]", "0"]
    assert containers_of(job, docker_lab) == []


def test_exit_codes(tmp_path: Path, docker_lab: DockerLab) -> None:
    """The script's exit code is the job's, in gitlab-runner's words."""
    job = place_docker_job(tmp_path, docker_lab, script=["exit 42"])
    result = job.finish()
    assert (result.failure_reason, result.exit_code, result.message) == ("script_failure", 42, "exit code 42")


def test_an_entrypoint_wraps_the_script(tmp_path: Path, docker_lab: DockerLab) -> None:
    """What an entrypoint exports reaches the script, what it prints stands before the script's output."""
    image = docker_lab.image('ENTRYPOINT ["/prepare"]', files={"prepare": PREPARING})
    job = place_docker_job(tmp_path, docker_lab, image=image, script=['echo "prepared: $PREPARED"'])
    assert job.finish().state == "success"
    assert [one for one in output_of(job) if one != "careful"] == ["preparing", "prepared: yes"]
    assert output_of(job).count("careful") == 1


def test_an_entrypoint_that_is_a_shell_reads_the_script(tmp_path: Path, docker_lab: DockerLab) -> None:
    """``["/bin/sh", "-c"]`` starts a plain sh: the script comes to its standard input."""
    image = docker_lab.image('ENTRYPOINT ["/bin/sh", "-c"]')
    job = place_docker_job(tmp_path, docker_lab, image=image, script=["echo read", "exit 3"])
    assert job.finish().exit_code == 3
    assert "read" in output_of(job)


def test_an_entrypoint_that_is_the_job(tmp_path: Path, docker_lab: DockerLab) -> None:
    """An image that ignores its arguments is the job: its output and its exit code count."""
    image = docker_lab.image('ENTRYPOINT ["/bin/sh", "/job"]', files={"job": b"echo all mine; exit 7\n"})
    job = place_docker_job(tmp_path, docker_lab, image=image, script=["echo never"])
    assert job.finish().exit_code == 7
    assert output_of(job) == ["all mine"]


def test_an_image_without_a_shell(tmp_path: Path, docker_lab: DockerLab) -> None:
    """The engine's words say what is missing."""
    image = docker_lab.image("ENV PATH=/nowhere")
    job = place_docker_job(tmp_path, docker_lab, image=image, script=["echo never"])
    result = job.finish()
    assert result.failure_reason == "runner_system_failure"
    assert 'exec: "sh": executable file not found in $PATH' in result.message


def test_another_user(tmp_path: Path, docker_lab: DockerLab) -> None:
    """A user that is not root prints, writes to the sources and reopens its streams."""
    job = place_docker_job(
        tmp_path,
        docker_lab,
        image=docker_lab.image("USER 4711:4711"),
        script=["id -u", "echo x > file", "echo again > /dev/stdout", "echo wrong >&2"],
    )
    assert job.finish().state == "success"
    assert output_of(job) == ["4711", "again", "wrong"]


def test_a_read_only_root(tmp_path: Path, docker_lab: DockerLab) -> None:
    """Nothing of ours is written into the image: a job runs where its root cannot be changed."""
    read_only = (
        "import pyrunner.executors.docker.set_up as s; real = s.JobSetUp.build_body\n"
        "def body(self):\n"
        "    made, platform = real(self)\n"
        "    made['HostConfig']['ReadonlyRootfs'] = True\n"
        "    return made, platform\n"
        "s.JobSetUp.build_body = body\n"
    )
    docker = {"volumes": ["/cache"], "tmpfs": {"/tmp": "rw"}}
    job = place_docker_job(
        tmp_path, docker_lab, docker=docker, script=["touch /x || echo shut", "touch file"]
    )
    job.start(read_only)
    assert job.finish().state == "success"
    assert "shut" in output_of(job)


def test_cancel_runs_traps_and_after_script(tmp_path: Path, docker_lab: DockerLab) -> None:
    """A cancelled script may clean up; after_script runs in a fresh container (13#3)."""
    job = place_docker_job(
        tmp_path,
        docker_lab,
        docker={"volumes": [f"{tmp_path}/shared:/shared"]},
        script=["touch /kept", "trap 'echo trapped; exit 1' TERM", "touch /shared/ready", _LOOP],
        after_script=["ls /kept 2>/dev/null || echo fresh"],
    )
    (tmp_path / "shared").mkdir(mode=0o777)
    job.start()
    RunnerProcess.until((tmp_path / "shared" / "ready").exists, "the script runs")
    job.order(Order.CANCEL)
    assert job.finish().failure_reason == "job_canceled"
    assert "trapped" in output_of(job)
    assert output_of(job, "after_script")[-1] == "fresh"
    assert containers_of(job, docker_lab) == []


def test_a_script_that_ignores_sigterm(tmp_path: Path, docker_lab: DockerLab) -> None:
    """It is killed when the grace time is over."""
    (tmp_path / "shared").mkdir(mode=0o777)
    job = place_docker_job(
        tmp_path,
        docker_lab,
        docker={"volumes": [f"{tmp_path}/shared:/shared"]},
        script=["trap '' TERM", "touch /shared/ready", "while :; do sleep 1; done"],
    )
    job.start("import pyrunner.executors.docker.executor as e; e.GRACE = 0.5")
    RunnerProcess.until((tmp_path / "shared" / "ready").exists, "the script runs")
    job.order(Order.ABORT)
    assert job.finish().failure_reason == "job_canceled"
    assert containers_of(job, docker_lab) == []


@pytest.mark.parametrize("entrypoint", [False, True], ids=["plain", "entrypoint"])
def test_a_killed_supervisor(tmp_path: Path, docker_lab: DockerLab, entrypoint: bool) -> None:
    """Killed while the script prints, started again: every line once, the script ran once."""
    files = {"prepare": PREPARING} if entrypoint else None
    changes = ['ENTRYPOINT ["/prepare"]'] if entrypoint else []
    (tmp_path / "shared").mkdir(mode=0o777)
    job = place_docker_job(
        tmp_path,
        docker_lab,
        image=docker_lab.image(*changes, files=files),
        docker={"volumes": [f"{tmp_path}/shared:/shared"]},
        script=["for i in $(seq 200); do echo line $i; [ $i = 50 ] && touch /shared/ready; sleep 0.02; done"],
    )
    job.start()
    RunnerProcess.until((tmp_path / "shared" / "ready").exists, "the script prints")
    job.kill()
    assert job.finish().state == "success"
    assert [one for one in output_of(job) if one.startswith("line")] == [f"line {i}" for i in range(1, 201)]
    assert containers_of(job, docker_lab) == []


def test_the_script_ends_while_no_supervisor_lives(tmp_path: Path, docker_lab: DockerLab) -> None:
    """The exit code is taken from the wrapper's word; the output waits in the pipe."""
    (tmp_path / "shared").mkdir(mode=0o777)
    job = place_docker_job(
        tmp_path,
        docker_lab,
        docker={"volumes": [f"{tmp_path}/shared:/shared"]},
        script=["touch /shared/ready", "sleep 1", "echo late", "exit 9"],
    )
    job.start()
    RunnerProcess.until((tmp_path / "shared" / "ready").exists, "the script runs")
    job.kill()
    RunnerProcess.until(lambda: any(job.control.path.glob("exit.*step_script")), "the script has ended")
    assert job.finish().exit_code == 9
    assert output_of(job) == ["late"]


def test_a_killed_wrapper(tmp_path: Path, docker_lab: DockerLab) -> None:
    """Without a wrapper nobody holds the output: the job ends as a failure of the system, and clean."""
    (tmp_path / "shared").mkdir(mode=0o777)
    job = place_docker_job(
        tmp_path,
        docker_lab,
        docker={"volumes": [f"{tmp_path}/shared:/shared"]},
        script=["touch /shared/ready", "sleep 1000"],
    )
    job.start()
    RunnerProcess.until((tmp_path / "shared" / "ready").exists, "the script runs")
    os.kill(_wrapper(job), signal.SIGKILL)
    assert job.finish().failure_reason == "runner_system_failure"
    assert containers_of(job, docker_lab) == []


def _wrapper(job: PlacedJob) -> int:
    import json

    [claim] = job.control.path.glob("claim.*step_script")
    return int(json.loads(claim.read_text())["pid"])


@pytest.mark.timeout(600)
def test_out_of_memory(tmp_path: Path, docker_lab: DockerLab) -> None:
    """The kernel's limit is told apart from a signal."""
    job = place_docker_job(
        tmp_path,
        docker_lab,
        docker={"memory": "32m", "memory_swap": "32m"},
        script=["head -c 200000000 /dev/zero | tail -c 100000000 > /dev/null"],
    )
    with engine_sees_memory():
        assert job.finish().state == "failed"
    assert "was killed by the kernel's memory limit:" in job.trace.decode()
    assert "of 32.0 MiB" in job.trace.decode()
