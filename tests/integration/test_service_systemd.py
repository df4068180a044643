"""Service commands under a real systemd (config-and-commands.md 2.6; design R7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from tests.support.coordinator import GitRepository
from tests.support.debian import Machine, bridge_address, machine, make_image, packages
from tests.support.docker import DockerLab
from tests.support.hierarchies import systemd_boots

__all__ = ["machine", "packages"]

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture
def gitlab(machine: Machine) -> Iterator[EmbeddedCoordinator]:
    """A coordinator that machines reach."""
    with EmbeddedCoordinator(
        host=bridge_address(), settings=CoordinatorSettings(trace_update_interval=1)
    ) as running:
        yield running


@pytest.fixture
def runner(machine: Machine) -> Machine:
    """A machine with pyrunner and a user for its jobs; its own service does not run."""
    machine.do("dpkg", "--install", "/shared/pyrunner_0.1.0-1_amd64.deb")
    machine.do("systemctl", "disable", "--now", "pyrunner")
    # Without skeleton: its .bash_logout fails each job (docs/service.md).
    machine.do("useradd", "--create-home", "--skel", "/dev/null", "--shell", "/bin/bash", "worker")
    machine.do("mkdir", "/srv/ci")
    return machine


def installed(machine: Machine, *flags: str, user: str = "worker") -> None:
    """Install and start a service called ``ci``."""
    common = ("--service", "ci", "--user", user, "--working-directory", "/srv/ci")
    machine.do("pyrunner", "install", *common, *flags)
    machine.do("pyrunner", "start", "--service", "ci")


def waiting_job(gitlab: EmbeddedCoordinator) -> int:
    """Queue a job that says ``begun``, waits for ``/tmp/gate`` and says ``ended``."""
    script = "echo begun; while [ ! -e /tmp/gate ]; do sleep 0.1; done; echo ended as $(id -un)"
    job_id = gitlab.enqueue(script=[script])
    gitlab.wait_for_trace(job_id, b"begun")
    return job_id


def test_life_of_a_service(runner: Machine, gitlab: EmbeddedCoordinator) -> None:
    """Installed, started, restarted under a job that does not notice, stopped, uninstalled."""
    assert runner.run("pyrunner", "status", "-n", "ci").err.endswith("ci: the service is not installed")
    token = gitlab.add_runner()
    runner.configure(gitlab.url, token)
    installed(runner)
    status = runner.run("pyrunner", "status", "--service", "ci")
    assert (status.code, status.out) == (0, "ci: Service is running")
    unit = "/etc/systemd/system/ci.service"
    assert runner.run("systemd-analyze", "verify", unit).err == ""
    again = runner.run("pyrunner", "install", "--service", "ci", "--user", "worker")
    assert again.code == 1
    assert f"FATAL: Failed to install ci: Init already exists: {unit}" in again.err

    job_id = waiting_job(gitlab)
    before = runner.do("systemctl", "show", "--property=MainPID", "--value", "ci")
    runner.do("pyrunner", "restart", "--service", "ci")
    assert runner.do("systemctl", "show", "--property=MainPID", "--value", "ci") != before
    runner.do("touch", "/tmp/gate")
    gitlab.wait_for(job_id, "success")
    assert gitlab.trace(job_id).count(b"O ended as worker") == 1

    runner.do("pyrunner", "uninstall", "--service", "ci")
    assert runner.run("test", "-e", unit).code == 1
    assert runner.run("systemctl", "is-active", "--quiet", "ci").code == 0, "uninstall does not stop it"
    runner.do("pyrunner", "stop", "--service", "ci")
    assert runner.run("pyrunner", "stop", "--service", "ci").code == 1
    assert gitlab.violations == []


def test_a_stop_can_wait_or_abort(runner: Machine, gitlab: EmbeddedCoordinator) -> None:
    """``stop --wait`` ends after the last job, ``--abort`` reports the jobs first; neither comes back."""
    runner.configure(gitlab.url, gitlab.add_runner())
    installed(runner)
    job_id = waiting_job(gitlab)
    stopping = runner.start("pyrunner", "stop", "--wait", "--service", "ci")
    runner.until("journalctl -u ci | grep -q 'waiting for builds'", "it waits")
    assert stopping.poll() is None
    runner.do("touch", "/tmp/gate")
    assert stopping.wait(60) == 0
    assert gitlab.job(job_id).state == "success"
    assert runner.do("systemctl", "show", "--property=ActiveState", "--value", "ci") == "inactive"

    runner.do("rm", "/tmp/gate")
    runner.do("pyrunner", "start", "--service", "ci")
    job_id = waiting_job(gitlab)
    runner.do("pyrunner", "stop", "--abort", "--service", "ci")
    assert gitlab.job(job_id).state == "failed"
    assert b"aborted: interrupt" in gitlab.trace(job_id)
    assert runner.do("systemctl", "show", "--property=ActiveState", "--value", "ci") == "inactive"


def test_it_comes_back_after_a_reboot(runner: Machine, gitlab: EmbeddedCoordinator) -> None:
    """A shutdown aborts and reports the job; after the boot the service takes the next one by itself."""
    runner.configure(gitlab.url, gitlab.add_runner())
    installed(runner)
    job_id = waiting_job(gitlab)
    runner.reboot()
    gitlab.wait_for(job_id, "failed")
    assert b"aborted: terminated" in gitlab.trace(job_id)
    gitlab.wait_for(gitlab.enqueue(script=["true"]), "success")


def test_a_manager_that_hangs(runner: Machine, gitlab: EmbeddedCoordinator) -> None:
    """The watchdog ends and starts it again; the job does not notice."""
    runner.configure(gitlab.url, gitlab.add_runner())
    quick = "[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\nRestartSec=0\n"
    runner.write("/etc/systemd/system/ci.service.d/quick.conf", quick, "0644")
    installed(runner)
    job_id = waiting_job(gitlab)
    before = runner.do("systemctl", "show", "--property=MainPID", "--value", "ci")
    runner.do("kill", "-STOP", before)
    runner.until(f"! kill -0 {before}", "systemd has ended it")
    runner.until("systemctl is-active --quiet ci", "it is back")
    runner.do("touch", "/tmp/gate")
    gitlab.wait_for(job_id, "success")
    assert gitlab.trace(job_id).count(b"O ended as worker") == 1


def test_token_as_a_credential(runner: Machine, gitlab: EmbeddedCoordinator) -> None:
    """systemd reads the token; it is not in config.toml, and no job is led to it."""
    runner.write("/etc/ci-token", gitlab.add_runner() + "\n")
    runner.configure(gitlab.url, "$CI_TOKEN")
    installed(runner, "--credential", "CI_TOKEN:/etc/ci-token")
    look = 'echo "sees ${CREDENTIALS_DIRECTORY:-nothing}, ${INVOCATION_ID:-nothing}"'
    job_id = gitlab.enqueue(script=[look, "ls /run/credentials/ci.service"])
    gitlab.wait_for(job_id, "failed")
    assert b"sees nothing, nothing" in gitlab.trace(job_id)
    assert b"Permission denied" in gitlab.trace(job_id)


def test_fenced_in(runner: Machine, gitlab: EmbeddedCoordinator) -> None:
    """``--hardened`` refuses entries with jobs on this host; without them the service works in its fence."""
    runner.configure(gitlab.url, gitlab.add_runner())
    flags = ("--service", "ci", "--user", "worker", "--working-directory", "/srv/ci", "--hardened")
    refused = runner.run("pyrunner", "install", *flags)
    assert refused.code == 1
    assert "shell executor of 'debian'" in refused.err
    token = gitlab.add_runner()
    runner.configure(gitlab.url, token)
    runner.do(
        "sed", "-i", 's/"shell"/"docker"\\n[runners.docker]\\nimage = "x"/', "/etc/gitlab-runner/config.toml"
    )
    installed(runner, "--hardened")
    assert runner.run("systemd-analyze", "verify", "/etc/systemd/system/ci.service").err == ""
    level = runner.do("systemd-analyze", "security", "--no-pager", "--threshold=61", "ci")
    assert "NoNewPrivileges" in level
    assert runner.do("pyrunner", "status", "--service", "ci") == "ci: Service is running"
    runner.until("journalctl -u ci | grep -q 'Initializing executor providers'", "it works")


@pytest.fixture
def engine_machine(packages: Path, tmp_path: Path) -> Iterator[Machine]:
    """A machine that has the engine of this host, and a folder that is the same on both."""
    make_image()
    options = ["--volume", "/var/run/docker.sock:/srv/docker.sock", "--volume", f"{tmp_path}:{tmp_path}"]
    # What root of a machine of its own has, and the fence leaves.
    options += ["--device", "/dev/net/tun", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"]
    with systemd_boots():
        booted = Machine(packages, *options)
        try:
            yield booted
        finally:
            booted.remove()


def test_docker_jobs_within_the_fence(
    engine_machine: Machine, docker_lab: DockerLab, git_repository: GitRepository, tmp_path: Path
) -> None:
    """Sandbox, its network, containers and artifacts: all that a docker job needs is left."""
    engine_machine.do("dpkg", "--install", "/shared/pyrunner_0.1.0-1_amd64.deb")
    engine_machine.do("systemctl", "disable", "--now", "pyrunner")
    engine_machine.do("mkdir", "/srv/ci")
    settings = CoordinatorSettings(trace_update_interval=1)
    with EmbeddedCoordinator(host=bridge_address(), settings=settings) as gitlab:
        gitlab.add_repository("group/sample", git_repository.path)
        config = f"""concurrent = 1
check_interval = 1
[[runners]]
name = "debian"
url = "{gitlab.url}"
id = 1
token = "{gitlab.add_runner()}"
executor = "docker"
[runners.docker]
host = "unix:///srv/docker.sock"
image = "{docker_lab.image()}"
pull_policy = ["if-not-present"]
[runners.tristan]
root = "{tmp_path}/root"
workspace = "sandbox"
"""
        engine_machine.write("/etc/gitlab-runner/config.toml", config)
        installed(engine_machine, "--hardened", user="daemon")
        job_id = gitlab.enqueue(
            repository="group/sample",
            script=["cat README.md > copy.txt"],
            artifacts=[{"paths": ["copy.txt"]}],
        )
        gitlab.wait_for(job_id, "success", 60)
        assert gitlab.job(job_id).artifacts
        fence = engine_machine.do("sh", "-c", "grep NoNewPrivs /proc/$(systemctl show -P MainPID ci)/status")
        assert fence.split() == ["NoNewPrivs:", "1"]


def test_service_of_a_user(runner: Machine, gitlab: EmbeddedCoordinator) -> None:
    """Without root: the user's own systemd, a unit in the home folder, jobs that survive restarts."""
    runner.do("loginctl", "enable-linger", "worker")
    runner.until("test -S /run/user/$(id -u worker)/systemd/private", "the user's systemd runs")
    runner.do("mkdir", "/srv/jobs")
    runner.do("chown", "worker:worker", "/srv/ci", "/srv/jobs")
    runner.configure(gitlab.url, gitlab.add_runner(), path="/home/worker/.gitlab-runner/config.toml")
    runner.do("chown", "-R", "worker:worker", "/home/worker/.gitlab-runner")
    home = ("env", "HOME=/home/worker", "pyrunner")
    runner.do(*home, "install", "--working-directory", "/srv/ci", user="worker")
    runner.do(*home, "start", user="worker")
    assert runner.do(*home, "status", user="worker") == "pyrunner: Service is running"
    assert runner.run("test", "-e", "/home/worker/.config/systemd/user/pyrunner.service").code == 0
    job_id = waiting_job(gitlab)
    runner.do(*home, "restart", "--user-service", user="worker")
    runner.do("touch", "/tmp/gate")
    gitlab.wait_for(job_id, "success")
    assert gitlab.trace(job_id).count(b"O ended as worker") == 1
    runner.do(*home, "stop", user="worker")
    runner.do(*home, "uninstall", user="worker")
    refused = runner.run(*home, "install", "--user", "worker", user="worker")
    assert (refused.code, "only root" in refused.err) == (1, True)
