"""Makes a project's repository harmless before the first git command of a stage (design R8).

``python -I <package> pyrunner.executors.sandbox.scrub <project folder>`` inside the sandbox. What an
earlier job left in ``.git`` is hostile. Everything is done by folder descriptor and name, and no link is
followed: not even inside the sandbox does a planted link lead a removal anywhere else.

- What makes git run programs or look elsewhere goes: config, hooks, ``commondir``, worktrees; in the
  modules of submodules too. The stage writes config anew, as it does for a fresh clone.
- With submodules, each ``.git`` below that is not theirs goes, too (:mod:`.scrub_submodules`).
- A repository that is not laid out as ``git init`` does it (``.git`` a link or a file, links or borrowed
  objects below it) goes with the whole project folder, whose submodules point into it: the stage clones.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from typing import Final

from pyrunner.executors.sandbox.hostile_folders import FOLDER, entries, kind_of, remove
from pyrunner.executors.sandbox.scrub_submodules import LOOKS_LIKE_GIT, NotARepository, scrub_submodules

#: Read or run by git wherever it stands in a git folder.
_TRUSTED_BY_GIT: Final = frozenset(
    {"config", "config.worktree", "config.lock", "hooks", "commondir", "gitdir", "worktrees"}
)
#: Borrowed objects: bytes from elsewhere would be taken for the project's.
_ALTERNATES: Final = frozenset({"alternates", "http-alternates"})
#: Folders of submodules' repositories nest no deeper than this in any project we would want to clone.
_DEEPEST: Final = 64


def scrub(project: str, submodules: bool = False) -> bool:
    """Clean ``<project>/.git``; True when the whole folder had to be removed.

    :param submodules: git will go into the submodules as well.
    :raises OSError: when something cannot be removed, or a link stands in the path: git must not run then.
    :raises ValueError: when the path is not an absolute one without ``..``.
    """
    above, _, name = project.rstrip("/").rpartition("/")
    if not os.path.isabs(project) or name in ("", ".", ".."):
        raise ValueError(f"not the absolute path of a folder: {project}")
    try:
        parent = open_without_links(above or "/")
    except FileNotFoundError:
        return False
    try:
        if kind_of(parent, name) is None:
            return False
        folder = os.open(name, FOLDER, dir_fd=parent)
        try:
            _scrub_project(folder)
            if submodules:
                scrub_submodules(folder)
        except NotARepository:
            remove(parent, name)
            return True
        finally:
            os.close(folder)
    finally:
        os.close(parent)
    return False


def open_without_links(path: str) -> int:
    """Return a descriptor of the folder ``path``, every component of it a real folder.

    :raises OSError: ELOOP or ENOTDIR for a link on the way.
    """
    if not os.path.isabs(path):
        raise ValueError(f"not an absolute path: {path}")
    folder = os.open("/", FOLDER)
    for name in path.split("/"):
        if name in ("", "."):
            continue
        if name == "..":
            os.close(folder)
            raise ValueError(f"a path with ..: {path}")
        try:
            below = os.open(name, FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder


def _scrub_project(project: int) -> None:
    kind = kind_of(project, ".git")
    if kind is None:
        return
    if kind != stat.S_IFDIR:
        raise NotARepository
    folder = os.open(".git", FOLDER, dir_fd=project)
    try:
        _clean_git_folder(folder, 0)
    finally:
        os.close(folder)


def _clean_git_folder(folder: int, depth: int) -> None:
    for name, kind in entries(folder):
        if name in _TRUSTED_BY_GIT or kind not in (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK):
            remove(folder, name)
        elif kind == stat.S_IFLNK:
            raise NotARepository
        elif kind == stat.S_IFDIR:
            work = {"modules": _clean_modules, "objects": _check_objects}.get(name, _check)
            _into(folder, name, work, depth)


def _clean_modules(folder: int, depth: int) -> None:
    """Clean the repositories of submodules: a name may hold slashes, so they stand at any depth."""
    for name, kind in entries(folder):
        if kind != stat.S_IFDIR:
            remove(folder, name)
        else:
            _into(folder, name, _clean_module, depth)


def _clean_module(folder: int, depth: int) -> None:
    if LOOKS_LIKE_GIT & {name for name, _ in entries(folder)}:
        _clean_git_folder(folder, depth)
    else:
        _clean_modules(folder, depth)


def _check_objects(folder: int, depth: int) -> None:
    for name, kind in entries(folder):
        if kind == stat.S_IFDIR:
            _into(folder, name, _check_info if name == "info" else _check, depth)
        elif kind != stat.S_IFREG:
            raise NotARepository


def _check_info(folder: int, depth: int) -> None:
    if _ALTERNATES & {name for name, _ in entries(folder)}:
        raise NotARepository
    _check(folder, depth)


def _check(folder: int, depth: int) -> None:
    """Look through what git only keeps data in: folders and files."""
    for name, kind in entries(folder):
        if kind == stat.S_IFDIR:
            _into(folder, name, _check, depth)
        elif kind != stat.S_IFREG:
            raise NotARepository


def _into(parent: int, name: str, work: Callable[[int, int], None], depth: int) -> None:
    if depth >= _DEEPEST:
        raise NotARepository
    below = os.open(name, FOLDER, dir_fd=parent)
    try:
        work(below, depth + 1)
    finally:
        os.close(below)


def main(arguments: list[str]) -> int:
    """Clean the repository of each project folder named; 0, or 1 with the reason on standard error."""
    for project in arguments:
        try:
            removed = scrub(project, submodules=True)
        except (OSError, ValueError) as error:
            print(f"cannot make {project}/.git safe: {error}", file=sys.stderr)  # noqa: T201
            return 1
        if removed:
            print(f"Removed {project}: its .git is not laid out as git does it")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
