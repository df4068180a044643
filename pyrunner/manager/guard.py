"""``.project``: a folder is used by one project only (tristan-layout.md 2).

Paths are names, and names are given again: a project that is renamed, removed or moved leaves a
folder that another one may come to. What is in it must not reach the other.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import JobDirError
from pyrunner.jobdir.names import host_folder
from pyrunner.protocol.job import Job
from pyrunner.system.files import make_private, read_json, write_json

_FILE: Final = ".project"
#: Where folders wait for their removal, in their slot.
TRASH: Final = ".removed"


def belongs_to_another(folder: Path, job: Job) -> bool:
    """Tell whether a project folder was another project's."""
    if not folder.is_dir():
        return False
    try:
        owner: object = read_json(folder / _FILE)
    except FileNotFoundError:
        # A folder on the way to a project (a group), or one that was never used.
        return any((folder / kind).is_dir() for kind in ("branches", "tags", "merge_requests", "source"))
    except (JobDirError, OSError):
        return True
    return owner != _identity(job)


def take_project(folder: Path, job: Job, slot: Path) -> Path | None:
    """Make a project's folder and mark it; return what was moved aside, for :func:`remove_tree`.

    :raises JobDirError: when it cannot be made.
    """
    aside: Path | None = None
    try:
        if belongs_to_another(folder, job):
            make_private(slot / TRASH)
            aside = slot / TRASH / secrets.token_hex(8)
            folder.rename(aside)
        make_private(folder)
        if not (folder / _FILE).exists():
            write_json(folder / _FILE, _identity(job), durable=False)
    except OSError as error:
        raise JobDirError(f"cannot take {folder}: {error.strerror}") from error
    return aside


def remove_tree(folder: Path) -> None:
    """Remove a tree that a job has written, following no link; what cannot go now goes at the next try."""
    if os.geteuid() == 0:  # no mode keeps root from emptying a folder
        shutil.rmtree(folder, ignore_errors=True)
    else:
        shutil.rmtree(folder, onerror=_make_writable)


def _make_writable(function: Any, path: str, _error: object) -> None:
    """Open a folder whose mode keeps us from emptying it: Go's module cache is read-only, for one."""
    parent = os.path.dirname(path)
    try:
        if not os.path.islink(parent):
            os.chmod(parent, 0o700)
        if function in (os.rmdir, os.unlink, os.remove):
            function(path)
    except OSError:
        return


def _identity(job: Job) -> dict[str, Any]:
    return {"host": host_folder(job.git_info.repo_url), "project_id": job.job_info.project_id}
