"""Lists and removes what a job has left, by folder descriptor and name: no link is followed (design R8)."""

from __future__ import annotations

import os
import stat
from typing import Final

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def entries(folder: int) -> list[tuple[str, int]]:
    """Return name and kind of what is in it: ``S_IFDIR``, ``S_IFREG``, ``S_IFLNK``; all else ``S_IFIFO``."""
    with os.scandir(folder) as found:
        return [(one.name, _kind(one)) for one in found]


def _kind(entry: os.DirEntry[str]) -> int:
    # What the folder itself says is enough, and costs no call.
    if entry.is_symlink():
        return stat.S_IFLNK
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    return stat.S_IFREG if entry.is_file(follow_symlinks=False) else stat.S_IFIFO


def kind_of(parent: int, name: str) -> int | None:
    """Return what ``name`` is, as ``stat.S_IFMT`` tells it; None when it is not there."""
    try:
        return stat.S_IFMT(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


def clear_way(base: str, inside: str) -> bool:
    """Remove the first thing between ``base`` and the folder ``inside`` of it that is no folder; tell if so.

    A job that leaves a link or a file there would keep all that come after it from their sources.

    :raises OSError: when it cannot be removed, or ``base`` cannot be opened.
    :raises ValueError: when ``inside`` leads out of ``base``.
    """
    current = os.open(base, FOLDER)
    try:
        for name in inside.split("/"):
            if name == "..":
                raise ValueError(f"{inside} is not in {base}")
            kind = kind_of(current, name)
            if kind is None:
                return False
            if kind != stat.S_IFDIR:
                remove(current, name)
                return True
            below = os.open(name, FOLDER, dir_fd=current)
            os.close(current)
            current = below
        return False
    finally:
        os.close(current)


def remove_odd_entries(base: str, inside: str) -> None:
    """Remove what is neither file nor folder from the folder ``inside`` of ``base``, where there is one.

    A FIFO there keeps whoever reads it waiting, and a link takes what is written to it elsewhere.

    :raises OSError: when something cannot be removed, or the way there is not clear (:func:`clear_way`).
    """
    try:
        folder = open_below(base, inside)
    except FileNotFoundError:
        return
    try:
        for name, kind in entries(folder):
            if kind not in (stat.S_IFREG, stat.S_IFDIR):
                remove(folder, name)
    finally:
        os.close(folder)


def open_below(base: str, inside: str) -> int:
    """Return a descriptor of the folder ``inside`` of ``base``; no link is followed below that.

    :raises OSError: when it is not there, or a link or file stands on the way.
    """
    current = os.open(base, FOLDER)
    for name in inside.split("/"):
        try:
            below = os.open(name, FOLDER, dir_fd=current)
        finally:
            os.close(current)
        current = below
    return current


def remove(parent: int, name: str) -> None:
    """Remove a file, a link or a whole folder below the open folder ``parent``; follows no link.

    Not by recursion: a job can make folders deeper than our stack, or than we may have descriptors.
    """
    try:
        os.unlink(name, dir_fd=parent)
        return
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        pass
    device = os.stat(name, dir_fd=parent, follow_symlinks=False).st_dev
    while not _empty(parent, name, device):
        pass


def _empty(parent: int, name: str, device: int) -> bool:
    """Remove the folder ``name``; False when deeper ones were moved up first, and have to go before."""
    folder = os.open(name, FOLDER, dir_fd=parent)
    flattened = False
    try:
        if os.fstat(folder).st_dev != device:
            raise OSError(f"{name}: another file system is mounted here")
        for below, kind in entries(folder):
            if kind != stat.S_IFDIR:
                os.unlink(below, dir_fd=folder)
                continue
            try:
                os.rmdir(below, dir_fd=folder)
            except OSError:
                _flatten(folder, below)
                flattened = True
    finally:
        os.close(folder)
    if not flattened:
        os.rmdir(name, dir_fd=parent)
    return not flattened


def _flatten(folder: int, name: str) -> None:
    """Empty the folder ``name``: files go, folders in it move up beside it under a name of ours."""
    inner = os.open(name, FOLDER, dir_fd=folder)
    try:
        for number, (below, kind) in enumerate(entries(inner)):
            if kind == stat.S_IFDIR:
                os.rename(below, _free_name(folder, number), src_dir_fd=inner, dst_dir_fd=folder)
            else:
                os.unlink(below, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=folder)


def _free_name(folder: int, number: int) -> str:
    while True:
        name = f".gone-{number}-{os.urandom(6).hex()}"
        if kind_of(folder, name) is None:
            return name
