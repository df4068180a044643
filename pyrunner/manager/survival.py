"""Can jobs live on when this process exits? (design R7)"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

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
    if os.getpid() == 1 or (os.getppid() == 1 and _in_container(environ)):
        return "this container ends with the runner manager"
    if not _SYSTEMD.is_dir():
        return ""
    if run(["systemctl", "is-system-running"]) == "stopping":
        return "the system is stopping"
    unit = _own_unit() if environ.get("INVOCATION_ID") else ""
    if unit:
        mode = run(["systemctl", "show", "--property=KillMode", "--value", unit])
        if mode and mode not in _SPARING:
            return f"systemd ends all processes of {unit} (KillMode={mode}; KillMode=process spares them)"
    return ""


def _in_container(environ: Mapping[str, str]) -> bool:
    marked = any(one.exists() for one in _CONTAINER_MARKS)
    return marked or "KUBERNETES_SERVICE_HOST" in environ or "container" in environ


def _own_unit() -> str:
    """Return the system service that this process belongs to, by its cgroup; empty when there is none."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        hierarchy, _, path = line.split(":", 2)
        if hierarchy == "0" or "name=systemd" in line:
            for part in path.split("/"):
                if part.endswith(".service") and not part.startswith("user@"):
                    return part
    return ""


def _output(command: list[str]) -> str:
    try:
        result = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.decode(errors="replace").strip()
