"""Makes submodules harmless before the first git command that goes into them (design R8).

A submodule's ``.git`` is a file that names its repository below the project's ``.git/modules``, which
:mod:`.scrub` has cleaned. Any other ``.git`` below the project (a repository with config and hooks of a
job's own, or a file that names one elsewhere) would be taken for the submodule's: it is removed, and
``git submodule update`` connects the folder anew.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from pyrunner.executors.sandbox.hostile_folders import FOLDER, entries, remove

LOOKS_LIKE_GIT: Final = frozenset({"HEAD", "config", "objects", "refs", "hooks", "commondir"})
#: Folders below one another in any project that we would want to keep; a descriptor each.
_DEEPEST: Final = 256
#: Bytes of a ``.git`` that is a file.
_LONGEST: Final = 8192
_PREFIX: Final = b"gitdir: "


class NotARepository(Exception):
    """The folder is laid out as no git would have done it."""


def scrub_submodules(project: int) -> None:
    """Remove what is not a submodule's of the project, an open folder whose own ``.git`` is clean.

    :raises NotARepository: for folders deeper than any project's.
    :raises OSError: when something cannot be removed.
    """
    _look_through(project, project, 0)


def _look_through(project: int, folder: int, depth: int) -> None:
    for name, kind in entries(folder):
        if name == ".git":
            if depth and not (kind == stat.S_IFREG and _is_module(project, folder, depth)):
                remove(folder, name)
        elif kind == stat.S_IFDIR:
            if depth >= _DEEPEST:
                raise NotARepository
            below = os.open(name, FOLDER, dir_fd=folder)
            try:
                _look_through(project, below, depth + 1)
            finally:
                os.close(below)


def _is_module(project: int, folder: int, depth: int) -> bool:
    """Tell whether a ``.git`` file names a repository that has been cleaned, in the words git itself uses."""
    fd = os.open(".git", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        text = os.read(fd, _LONGEST + 1)
    finally:
        os.close(fd)
    if len(text) > _LONGEST or not text.startswith(_PREFIX):
        return False
    words = os.fsdecode(text.removeprefix(_PREFIX).rstrip(b"\r\n")).split("/")
    up, below = words[:depth], words[depth:]
    if up != [".."] * depth or below[:2] != [".git", "modules"] or {"", ".", ".."} & set(below):
        return False
    return _is_cleaned(project, below)


def _is_cleaned(project: int, names: list[str]) -> bool:
    """Tell whether a path from the project leads to a repository that :func:`.scrub.scrub` has come by."""
    current, is_repository = os.dup(project), True  # of whose folders only ``modules`` holds others
    try:
        for position, name in enumerate(names):
            if is_repository and position and name != "modules":
                return False
            below = os.open(name, FOLDER, dir_fd=current)
            os.close(current)
            current = below
            if position == 0:
                continue
            found = {one for one, _ in entries(current)}
            is_repository = not is_repository and bool(LOOKS_LIKE_GIT & found)
        return is_repository
    except OSError:
        return False
    finally:
        os.close(current)
