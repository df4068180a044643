"""Can jobs live on when this process exits? (design R7)"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_SYSTEMD: Final = Path("/run/systemd/system")
_CONTAINER_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
#: systemd leaves a unit's processes alone under these only.
_SPARING: Final = ("process", "none")
_PATIENCE: Final = 3.0


def why_jobs_would_die(environ: Mapping[str, str], run: Callable[[list[str]], str] | None = None) -> str:
    """Return what would take the jobs with us; empty when they can stay.

    :param run: runs a command and returns its output.
    """
    run = run or _output
    systemd = _SYSTEMD.is_dir()
    # systemd as a container's init outlives its services; other inits of containers end with their child.
    if os.getpid() == 1 or (os.getppid() == 1 and not systemd and _in_container(environ)):
        return "this container ends with the runner manager"
    if not systemd:
        return ""
    unit = _own_unit() if environ.get("INVOCATION_ID") else OwnUnit("", False)
    systemctl = ["systemctl", "--user"] if unit.of_user else ["systemctl"]
    if run([*systemctl, "is-system-running"]) == "stopping":
        return "the user's session is ending" if unit.of_user else "the system is stopping"
    if unit.name:
        mode = run([*systemctl, "show", "--property=KillMode", "--value", unit.name])
        if mode and mode not in _SPARING:
            return (
                f"systemd ends all processes of {unit.name} (KillMode={mode}; KillMode=process spares them)"
            )
    return ""


def _in_container(environ: Mapping[str, str]) -> bool:
    marked = any(one.exists() for one in _CONTAINER_MARKS)
    return marked or "KUBERNETES_SERVICE_HOST" in environ or "container" in environ


class OwnUnit(NamedTuple):
    """The service that this process belongs to; its name is empty when there is none."""

    name: str
    of_user: bool


def _own_unit() -> OwnUnit:
    """Return the service that this process belongs to, by its cgroup: within a user's manager, the user's."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return OwnUnit("", False)
    for line in lines:
        hierarchy, _, path = line.split(":", 2)
        if hierarchy != "0" and "name=systemd" not in line:
            continue
        of_user = False
        for part in path.split("/"):
            if part.startswith("user@") and part.endswith(".service"):
                of_user = True
            elif part.endswith(".service"):
                return OwnUnit(part, of_user)
    return OwnUnit("", False)


def _output(command: list[str]) -> str:
    try:
        result = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.decode(errors="replace").strip()
