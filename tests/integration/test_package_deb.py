"""The life of the deb on a machine with systemd: installed, used, upgraded under a job, purged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from tests.support.debian import Machine, bridge_address, machine, packages

__all__ = ["machine", "packages"]

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.timeout(600)]

_WAITING = (
    "echo begun; while [ ! -e /tmp/gate ]; do sleep 0.1; done; echo ended as $(id -un) | tee result.txt"
)


@pytest.fixture
def gitlab(machine: Machine) -> Iterator[EmbeddedCoordinator]:
    """A coordinator that machines reach."""
    with EmbeddedCoordinator(
        host=bridge_address(), settings=CoordinatorSettings(trace_update_interval=1)
    ) as running:
        yield running


def test_install_use_upgrade_purge(machine: Machine, gitlab: EmbeddedCoordinator) -> None:
    """An upgrade costs no job, nor its artifacts; a removal reports what still runs."""
    machine.do("dpkg", "--install", "/shared/pyrunner_0.1.0-1_amd64.deb")
    assert machine.do("systemctl", "is-enabled", "pyrunner") == "enabled"
    assert machine.do("systemctl", "is-active", "pyrunner") == "active", "it waits for a config.toml"
    assert "gitlab-runner" in machine.do("getent", "passwd", "gitlab-runner")
    assert machine.do("stat", "--format=%a", "/etc/gitlab-runner") == "700"
    completed = "COMP_WORDS=pyrunner\\ unre COMP_CWORD=1 _PYRUNNER_COMPLETE=bash_complete pyrunner"
    assert machine.do("sh", "-c", completed) == "plain,unregister"
    assert "_pyrunner_completion" in machine.do("cat", "/usr/share/bash-completion/completions/pyrunner")
    machine.configure(gitlab.url, gitlab.add_runner())
    gitlab.wait_for(gitlab.enqueue(script=["true"]), "success")

    job_id = gitlab.enqueue(script=[_WAITING], artifacts=[{"paths": ["result.txt"]}])
    gitlab.wait_for_trace(job_id, b"begun")
    before = machine.do("systemctl", "show", "--property=MainPID", "--value", "pyrunner")
    machine.do("dpkg", "--install", "/shared/pyrunner_0.1.0-2_amd64.deb")
    assert machine.do("systemctl", "show", "--property=MainPID", "--value", "pyrunner") != before
    machine.do("touch", "/tmp/gate")
    gitlab.wait_for(job_id, "success")
    assert gitlab.trace(job_id).count(b"O ended as gitlab-runner") == 1
    assert gitlab.job(job_id).artifacts

    machine.do("rm", "/tmp/gate")
    job_id = gitlab.enqueue(script=[_WAITING])
    gitlab.wait_for_trace(job_id, b"begun")
    machine.do("dpkg", "--purge", "pyrunner")
    assert gitlab.job(job_id).state == "failed"
    assert b"aborted: interrupt" in gitlab.trace(job_id)
    assert machine.run("pgrep", "-f", "pyrunner").code == 1, "nothing of it runs on"
    gone = ("/usr/lib/pyrunner", "/var/lib/pyrunner", "/usr/lib/systemd/system/pyrunner.service")
    for path in gone:
        assert machine.run("test", "-e", path).code == 1, path
    assert machine.run("test", "-e", "/etc/gitlab-runner/config.toml").code == 0, "registrations stay"
    assert gitlab.violations == []


def test_beside_gitlab_runner(machine: Machine) -> None:
    """Where gitlab-runner is in service, nothing is started: two managers would share one config.toml."""
    unit = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
    machine.write("/etc/systemd/system/gitlab-runner.service", unit, "0644")
    machine.do("systemctl", "enable", "--now", "gitlab-runner")
    done = machine.run("dpkg", "--install", "/shared/pyrunner_0.1.0-1_amd64.deb")
    assert done.code == 0
    assert "gitlab-runner is in service" in done.err
    assert machine.run("systemctl", "is-active", "--quiet", "pyrunner").code == 3
    assert machine.run("systemctl", "is-enabled", "--quiet", "pyrunner").code == 1
