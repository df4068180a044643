"""``.project``: a folder is used by one project only (tristan-layout.md 2).

Paths are names, and names are given again: a project that is renamed, removed or moved leaves a
folder that another one may come to. What is in it must not reach the other.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import JobDirError
from pyrunner.jobdir.names import host_folder
from pyrunner.protocol.job import Job
from pyrunner.system.files import make_private, write_json
from pyrunner.system.mounts import mounts_within

_log: Final = logging.getLogger(__name__)

_FILE: Final = ".project"
#: Bytes that a mark can have: a host's name and a number.
_LONGEST: Final = 4096
#: Where folders wait for their removal, in their slot.
TRASH: Final = ".removed"


def belongs_to_another(folder: Path, job: Job) -> bool:
    """Tell whether a project folder was another project's."""
    if not folder.is_dir():
        return False
    try:
        owner = _owner(folder / _FILE)
    except FileNotFoundError:
        # A folder on the way to a project (a group), or one that was never used.
        return any((folder / kind).is_dir() for kind in ("branches", "tags", "merge_requests", "source"))
    except (ValueError, RecursionError, OSError):
        return True
    return owner != _identity(job)


def _owner(file: Path) -> object:
    """Return what a mark says.

    With host executors the jobs' user may be ours: a link, a FIFO or a giant in its place must not
    keep the manager waiting.

    :raises OSError: when it cannot be read, or is no plain file.
    :raises ValueError: when it is no JSON of a mark's size.
    """
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError(f"{file} is not a file")
        content = os.read(fd, _LONGEST + 1)
    finally:
        os.close(fd)
    if len(content) > _LONGEST:
        raise ValueError(f"{file} is too long")
    value: object = json.loads(content)
    return value


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
    """Remove a tree that a job has written, following no link; what cannot go now goes at the next try.

    A tree in which something is mounted stays: a job that was root has left that, and to go on would empty
    what is mounted, however far from here it is.
    """
    if folder.is_symlink():
        folder.unlink()
        return
    if mounted := mounts_within(folder):
        _log.warning("%s is not removed: something is mounted at %s; unmount it", folder, mounted[0])
        return
    # Not shutil.rmtree: it holds a descriptor for each level, of which a job may have made a thousand.
    command = ["rm", "-rf", "--", str(folder)]
    subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if os.geteuid() != 0 and folder.exists():  # no mode keeps root from emptying a folder
        with contextlib.suppress(RecursionError):
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
