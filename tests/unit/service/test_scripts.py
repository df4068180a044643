"""The shell scripts of packaging/: good shell for the plainest of shells, executable where started."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

PACKAGING = Path(__file__).resolve().parents[3] / "packaging"

#: Scripts, and whether something starts them by their path.
SCRIPTS = {
    "scripts/functions.sh": False,
    "arch/pyrunner.install": False,
    "docker/entrypoint": True,
    "openrc/pyrunner": True,
    "runit/run": True,
    "runit/log/run": True,
}


@pytest.mark.parametrize(("name", "started"), SCRIPTS.items())
def test_scripts_are_good_shell(name: str, started: bool) -> None:
    """Each is read by sh without complaint."""
    path = PACKAGING / name
    done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.access(path, os.X_OK) is started


def test_each_step_that_is_called_exists() -> None:
    """The packages' steps call functions of functions.sh by name."""
    defined = set(re.findall(r"^(pyrunner_\w+)\(\)", (PACKAGING / "scripts/functions.sh").read_text(), re.M))
    for name in ("debian.py", "redhat.py", "arch/pyrunner.install"):
        called = set(re.findall(r"(?<![\w./])(pyrunner_[a-z_]+)\b", (PACKAGING / name).read_text()))
        assert called, name
        assert called <= defined, name


@pytest.mark.parametrize("name", ["openrc/pyrunner", "runit/run"])
def test_other_service_systems_start_the_same(name: str) -> None:
    """The command is the unit's."""
    text = (PACKAGING / name).read_text()
    for word in (
        "run --config",
        "/etc/gitlab-runner/config.toml",
        "--working-directory",
        "/var/lib/pyrunner",
    ):
        assert word in text
    assert "--user" in text
    assert "gitlab-runner" in text
