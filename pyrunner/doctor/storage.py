"""Room for jobs, and whether the folders they live in are safe (design R8)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pyrunner.config.model import RunnerConfig
from pyrunner.config.sizes import format_size
from pyrunner.doctor.context import Context
from pyrunner.doctor.result import Result, failed, ok, skipped, warning

_GIB: Final = 1024**3
#: Less than this and a job of ordinary size fails.
_LITTLE: Final = _GIB // 2
#: Less than this, or this part of the disk, and it is worth a word.
_WARN_BELOW: Final = 5 * _GIB
_WARN_PART: Final = 0.05
_FEW_INODES: Final = 10_000


def check_storage(context: Context) -> Iterator[Result]:
    """Look at the root of every entry once."""
    if not context.runners:
        yield skipped("disk", "no runner needs room")
        return
    roots: dict[Path, list[RunnerConfig]] = {}
    for runner in context.runners:
        roots.setdefault(Path(os.path.abspath(context.root_of(runner))), []).append(runner)
    for root, runners in roots.items():
        yield from _check_root(root, context.host.uid)
        yield from _check_room(root, runners)
        if any(one.executor == "docker" for one in runners):
            yield _check_mount(root)


def _check_root(root: Path, uid: int) -> Iterator[Result]:
    """Whoever can write above the root can put another folder in its place."""
    for folder in (root, *root.parents):
        try:
            status = folder.stat()
        except OSError:
            continue
        if folder == root and not stat.S_ISDIR(status.st_mode):
            yield failed("root", f"{root} is not a folder", "set [runners.tristan] root to a folder")
            return
        mode = stat.S_IMODE(status.st_mode)
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            text = f"{folder} can be written by everybody (mode {mode:04o}), so {root} is not safe: no start"
            yield failed("root", text, f"chmod o-w {folder}, or set [runners.tristan] root")
            return
        if folder == root and status.st_uid not in (uid, 0):
            text = f"{root} belongs to user id {status.st_uid}, not to {uid}"
            yield failed("root", text, f"run this as the service's user; else chown {uid} {root}")
            return
    there = _nearest(root)
    if there != root and not os.access(there, os.W_OK):
        yield failed("root", f"{root} cannot be made in {there}", f"mkdir -p {root} as root, and chown it")
        return
    yield ok("root", f"{root}{'' if there == root else ' (made at the first start)'}")


def _check_room(root: Path, runners: list[RunnerConfig]) -> Iterator[Result]:
    there = _nearest(root)
    room = os.statvfs(there)
    free, size = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
    text = f"{there}: {format_size(free)} of {format_size(size)} are free"
    fix = "pyrunner gc --dry-run shows what can go; disk_budget and min_free in [runners.tristan] keep room"
    wanted = max((one.tristan.min_free or 0 for one in runners), default=0)
    if free < wanted:
        yield failed(
            "disk", f"{text}, less than min_free ({format_size(wanted)}): no jobs are asked for", fix
        )
    elif free < _LITTLE:
        yield failed("disk", f"{text}: jobs will fail", fix)
    elif free < min(_WARN_BELOW, size * _WARN_PART):
        yield warning("disk", text, fix)
    else:
        yield ok("disk", text)
    if not room.f_files:  # btrfs and the like count none
        return
    if room.f_favail < _FEW_INODES:
        text = f"{there}: {room.f_favail} of {room.f_files} inodes are free: a checkout of many files fails"
        yield failed("disk", text, fix)
    else:
        yield ok("disk", f"{there}: {room.f_favail * 100 // room.f_files} % of the inodes are free")


def _check_mount(root: Path) -> Result:
    """What a container's root leaves behind must not be of use to users of this host."""
    there = _nearest(root)
    flags = os.statvfs(there).f_flag
    missing = [name for name, flag in (("nosuid", os.ST_NOSUID), ("nodev", os.ST_NODEV)) if not flags & flag]
    if not missing:
        return ok("mount", f"{there} is mounted nosuid,nodev")
    text = f"{there} is not mounted {','.join(missing)}: only the mode of its folders keeps users from files "
    text += "that containers leave there"
    return warning("mount", text, "a file system of its own for jobs, with nosuid,nodev in /etc/fstab")


def _nearest(path: Path) -> Path:
    """Return the folder itself, or the nearest above it that exists."""
    return next(one for one in (path, *path.parents) if one.exists())
