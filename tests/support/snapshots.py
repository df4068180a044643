"""Snapshots of working copies, and what is in them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from pyrunner.snapshot.take import Snapshot, open_store, take_snapshot
from pyrunner.snapshot.working_copy import WorkingCopy
from pyrunner.system.git import Git


def environment() -> dict[str, str]:
    """Return an environment without the user's git settings."""
    return {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent"}


def fingerprint(folder: Path) -> dict[str, str]:
    """Return what every file below a folder is, git's own included."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = os.readlink(path)
        elif path.is_file():
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[str(path)] = "folder"
    return found


def take(folder: Path, store: Path) -> tuple[Snapshot, Git]:
    """Take a snapshot of the working copy that ``folder`` lies in."""
    copy = WorkingCopy.find(folder, environment())
    git = open_store(copy, store)
    return take_snapshot(copy, git), git


def files_of(git: Git, sha: str) -> list[str]:
    """Return the paths in a commit."""
    return git.names("ls-tree", "-r", "-z", "--name-only", sha)
