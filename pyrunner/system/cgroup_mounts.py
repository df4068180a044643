"""Which control group hierarchies are mounted, and where in each of them this process is.

v1 has a hierarchy for each set of controllers, v2 one for all; a hybrid host mounts both
(cgroups(7)). Pure functions of the texts of /proc/self/mountinfo and /proc/self/cgroup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted hierarchy."""

    #: 1 or 2.
    version: int
    #: v1: what the hierarchy controls, e.g. ``{"cpu", "cpuacct"}``; v2: empty, see cgroup.controllers.
    controllers: frozenset[str]
    #: Folder of the cgroup that this process is in.
    own: Path


@dataclass(frozen=True, slots=True)
class _Mount:
    version: int
    #: Which part of the hierarchy the mount shows.
    root: str
    point: str
    writable: bool
    options: frozenset[str]


def own_hierarchies() -> list[Hierarchy]:
    """Return the hierarchies of this process as the kernel tells now; none where /proc does not show them."""
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
        membership = Path("/proc/self/cgroup").read_text("utf-8", "surrogateescape")
    except OSError:
        return []
    return find_hierarchies(mountinfo, membership)


def find_hierarchies(mountinfo: str, membership: str) -> list[Hierarchy]:
    """Return each writable hierarchy once, v2 first; see proc(5) for both formats."""
    mounts = list(_mounts(mountinfo))
    found: list[Hierarchy] = []
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        wanted = frozenset(controllers.split(",")) if controllers else frozenset()
        for mount in mounts:
            if not mount.writable or mount.version != (1 if wanted else 2) or not wanted <= mount.options:
                continue
            own = _folder(mount, path)
            if own is not None:
                found.append(Hierarchy(mount.version, wanted, own))
                break
    return sorted(found, key=lambda one: -one.version)


def _mounts(mountinfo: str) -> Iterator[_Mount]:
    for line in mountinfo.splitlines():
        head, separator, tail = line.partition(" - ")
        if not separator:
            continue
        fields, (kind, _, options) = head.split(" "), tail.split(" ", 2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        yield _Mount(
            version=2 if kind == "cgroup2" else 1,
            root=_unescape(fields[3]),
            point=_unescape(fields[4]),
            writable="rw" in fields[5].split(","),
            options=frozenset(options.split(",")),
        )


def _unescape(text: str) -> str:
    """Undo mountinfo's octal escapes of blank, tab, newline and backslash."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)


def _folder(mount: _Mount, path: str) -> Path | None:
    """Return where ``path`` of the hierarchy is below the mount; None when the mount does not show it."""
    if ".." in path.split("/") or ".." in mount.root.split("/") or path.endswith(" (deleted)"):
        return None
    root = mount.root.rstrip("/")
    if path != root and not path.startswith(root + "/"):
        return None
    return Path(mount.point + path[len(root) :].rstrip("/"))
