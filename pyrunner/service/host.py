"""Which service system this machine has, and the program that a service starts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from pyrunner.errors import ServiceError

#: A folder that only a running system of that kind has, and its name.
_SYSTEMS: Final = (
    (Path("/run/systemd/system"), "systemd"),
    (Path("/run/openrc"), "OpenRC"),
    (Path("/run/runit"), "runit"),
    (Path("/run/s6"), "s6"),
)
_CONTAINER_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))


def service_system(root: Path = Path("/")) -> str:
    """Return the name of the service system; empty when it is none of those that are known."""
    for folder, name in _SYSTEMS:
        if (root / folder.relative_to("/")).is_dir():
            return name
    return ""


def require_systemd(root: Path = Path("/")) -> None:
    """Return where systemd runs.

    :raises ServiceError: elsewhere; the text says what serves instead.
    """
    name = service_system(root)
    if name == "systemd":
        return
    if name in ("OpenRC", "runit"):
        folder = f"packaging/{name.lower()}"
        raise ServiceError(
            f"this system is run by {name}, whose services are files: take {folder} of pyrunner's sources, "
            f"or /usr/share/pyrunner/{name.lower()} of its package"
        )
    if any((root / mark.relative_to("/")).exists() for mark in _CONTAINER_MARKS):
        raise ServiceError("a container has no services; make `pyrunner run` its command")
    found = f"this system is run by {name}" if name else "no service system that is known runs here"
    raise ServiceError(f"{found}; have yours keep `pyrunner run` running, and stop it with SIGTERM")


def own_program(argv0: str, python: str) -> tuple[str, ...]:
    """Return how this very program is started again: its path, and arguments before the command.

    Links stay, so that a newer version behind them is what the next start runs.

    :param argv0: what this process was started as.
    :param python: the interpreter.
    """
    if Path(argv0).suffix == ".py" or not argv0:
        return (python, "-m", "pyrunner")
    found = os.path.abspath(argv0) if "/" in argv0 else shutil.which(argv0)
    if found is None or not os.access(found, os.X_OK):
        return (python, "-m", "pyrunner")
    return (found,)
