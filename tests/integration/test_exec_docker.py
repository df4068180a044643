"""``pyrunner exec`` with containers: the way to the coordinator is the bridge."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.docker import DockerLab
from tests.support.exec_runs import ExecLab
from tests.support.helper_image import helper_image

pytestmark = [pytest.mark.integration, pytest.mark.docker]

CONFIG = """
[[runners]]
  name = "x"
  url = "http://x"
  token = "x"
  executor = "docker"
  [runners.docker]
    image = "x"
    helper_image = "HELPER"
    pull_policy = ["if-not-present"]
"""
TEXT = """
stages: [build, test]
make:
  stage: build
  image: busybox-of-lab
  script: [mkdir out, 'echo "in $CI_JOB_IMAGE" > out/made.txt', cat new.txt]
  artifacts: {paths: [out]}
use: {script: [cat out/made.txt]}
bare:
  image: busybox-of-lab
  needs: []
  services:
    - name: busybox-of-lab
      alias: web
      command: [sh, -c, "mkdir -p /w; echo served > /w/x; httpd -f -p 8000 -h /w"]
      variables: {HEALTHCHECK_TCP_PORT: "8000"}
  script: ['wget -q -O - http://web:8000/x']
"""


@pytest.fixture
def lab(tmp_path: Path, docker_lab: DockerLab) -> ExecLab:
    """A working copy whose jobs use the lab's image."""
    helper = helper_image(docker_lab.api)
    made = ExecLab.make(tmp_path, TEXT.replace("busybox-of-lab", docker_lab.image()))
    (made.tree / "new.txt").write_text("not committed\n")
    (tmp_path / "config.toml").write_text(CONFIG.replace("HELPER", helper))
    return made


def arguments(lab: ExecLab) -> list[str]:
    """Return the options that lend the helper image."""
    return ["--config", str(lab.home.parent / "config.toml")]


def test_containers_and_this_machine(lab: ExecLab, docker_lab: DockerLab) -> None:
    """Jobs with an image run in containers, others here; artifacts go between them; nothing is left."""
    done = lab.run(*arguments(lab))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "make | not committed" in lines
    assert any(line.startswith("use  | in pyrunner-test-") for line in lines), done.stdout
    assert "bare | served" in lines
    root = lab.folder / "lanes/1/root/docker"
    left = docker_lab.api.containers(all=True, filters={"label": f"com.pyrunner.business={root}"})
    assert left == []
    assert [one.cmdline() for one in lab.processes()] == []


def test_shell_into_a_container(lab: ExecLab) -> None:
    """The shell is in the job's container, with its files."""
    given = 'echo "in $CI_JOB_NAME: $(cat new.txt)"; command -v git || echo no git; exit\n'
    done = lab.run("--shell-into", "make", *arguments(lab), given=given)
    assert done.returncode == 0, done.stderr
    assert "in make: not committed" in done.stdout
    assert "no git" in done.stdout


def test_refused(lab: ExecLab) -> None:
    """A job for a container is not run on this machine when docker is missing, unless that is asked for."""
    lab.variables["DOCKER_HOST"] = "unix:///nonexistent/docker.sock"
    refused = lab.run("make")
    assert refused.returncode == 2
    assert "make runs in a container, but docker does not answer" in refused.stderr
    assert "--executor shell" in refused.stderr
    assert lab.run("make", "--executor", "shell").returncode == 0
    lab.variables["DOCKER_HOST"] = "tcp://192.0.2.1:2375"
    assert "is not this machine's" in lab.run("make").stderr
    lab.configure("a: {script: [echo a]}")
    unnamed = lab.run("--executor", "docker")
    assert unnamed.returncode == 2
    assert "--docker-image" in unnamed.stderr
