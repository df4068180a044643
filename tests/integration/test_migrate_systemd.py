"""``migrate`` under a real systemd: from a gitlab-runner with a job to pyrunner, and back."""

from __future__ import annotations

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from tests.support.debian import Machine, bridge_address, machine, packages

__all__ = ["machine", "packages"]

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.timeout(300)]

#: Stands for gitlab-runner with one job, which ends when there is a gate.
GITLAB_RUNNER = """#!/usr/bin/python3
import os, signal, sys, time
def told(number, _):
    open(f"/tmp/{signal.Signals(number).name}", "w").close()
    if number != signal.SIGQUIT:
        sys.exit(1)
for one in (signal.SIGQUIT, signal.SIGTERM, signal.SIGINT):
    signal.signal(one, told)
while not (os.path.exists("/tmp/SIGQUIT") and os.path.exists("/tmp/gate")):
    time.sleep(0.1)
"""
#: As ``gitlab-runner install`` writes it (config-and-commands.md 2.6).
UNIT = """[Unit]
Description=GitLab Runner
ConditionFileIsExecutable=/usr/bin/gitlab-runner
After=network.target

[Service]
StartLimitInterval=5
StartLimitBurst=10
ExecStart=/usr/bin/gitlab-runner "run" "--config" "/etc/gitlab-runner/config.toml" "--working-directory" \
"/home/gitlab-runner" "--service" "gitlab-runner" "--user" "worker"
Restart=always
RestartSec=120
EnvironmentFile=-/etc/sysconfig/gitlab-runner

[Install]
WantedBy=multi-user.target
"""


def states(machine: Machine) -> tuple[str, ...]:
    """Return what gitlab-runner's service does, then ours: active, enabled."""
    words = [
        machine.run("systemctl", verb, unit).out
        for unit in ("gitlab-runner", "pyrunner")
        for verb in ("is-active", "is-enabled")
    ]
    return tuple(words)


def test_there_and_back(machine: Machine) -> None:
    """The job of gitlab-runner ends in peace, ours run as the same user, and back everything is as it was."""
    machine.write("/usr/bin/gitlab-runner", GITLAB_RUNNER, "0755")
    machine.write("/etc/systemd/system/gitlab-runner.service", UNIT, "0644")
    machine.do("useradd", "--create-home", "--skel", "/dev/null", "--shell", "/bin/bash", "worker")
    machine.do("mkdir", "-p", "/home/gitlab-runner")
    machine.do("systemctl", "enable", "--now", "--quiet", "gitlab-runner")
    machine.do("dpkg", "--install", "/shared/pyrunner_0.1.0-1_amd64.deb")
    assert states(machine) == ("active", "enabled", "inactive", "disabled")
    settings = CoordinatorSettings(trace_update_interval=1)
    with EmbeddedCoordinator(host=bridge_address(), settings=settings) as gitlab:
        machine.configure(gitlab.url, gitlab.add_runner())
        before = machine.do("cat", "/etc/gitlab-runner/config.toml")
        assert "install and start pyrunner.service" in machine.do("pyrunner", "migrate", "--dry-run")

        migration = machine.start("pyrunner", "migrate")
        machine.until("test -e /tmp/SIGQUIT", "gitlab-runner is asked to end")
        assert migration.poll() is None, "it waits for the job"
        assert states(machine)[2] == "inactive"
        assert machine.do("cat", "/etc/gitlab-runner/config.toml") == before
        machine.do("touch", "/tmp/gate")
        assert migration.wait(90) == 0
        assert states(machine) == ("inactive", "disabled", "active", "enabled")
        assert machine.run("ls", "/tmp/SIGTERM", "/tmp/SIGINT").out == ""
        job_id = gitlab.enqueue(script=["echo as $(id -un)"])
        gitlab.wait_for(job_id, "success")
        assert b"O as worker" in gitlab.trace(job_id)
        assert "source_path" in machine.do("cat", "/etc/gitlab-runner/config.toml")

        machine.do("rm", "/tmp/SIGQUIT")
        machine.do("pyrunner", "migrate", "--back")
        assert machine.do("cat", "/etc/gitlab-runner/config.toml") == before
        assert states(machine) == ("active", "enabled", "inactive", "disabled")
        assert machine.run("ls", "/etc/systemd/system/pyrunner.service").code != 0
        assert machine.run("pyrunner", "doctor").out.count("\nfailed") == 0
        assert gitlab.violations == []
