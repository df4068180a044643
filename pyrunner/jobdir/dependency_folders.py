"""The folders of build tools' libraries (tristan-layout.md 1): there are always all of them.

Jobs write below them: no step there follows a link, and what stands in the place of a folder stays as it
is - tools are then not pointed there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.config.dependency_tools import TOOLS
from pyrunner.errors import JobDirError
from pyrunner.system.files import make_private

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASS_THROUGH: Final = 0o711
#: Name of the folder in the ``/cache`` of containers (tristan-layout.md 2).
IN_SLOT_CACHE: Final = "dependency_lib"
#: A job has removed it, or put something else there.
_NO_FOLDER: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the folders of types shall be on this host."""

    user: int
    group: int


def make_dependency_folders(folder: Path) -> None:
    """Make ``folder``, private, with a folder for each type of project.

    The time stamp of the folder that it is in, which no job can write to, tells when a job came last.

    :raises JobDirError: when it cannot be made.
    """
    make_private(folder)
    try:
        with _opened(folder) as opened:
            for name in TOOLS:
                # That one is there costs less to be told than to ask before.
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=opened)
        os.utime(folder.parent)
    except OSError as error:
        raise JobDirError(f"cannot make {folder}: {error.strerror}") from error


def make_in_slot_cache(slot_cache: Path) -> None:
    """Make the folders inside the slot's ``/cache``, for every user in a container.

    Nothing is mounted there: a container of the job could put a link in the place of the mount (design R8).

    :raises JobDirError: when that cannot be done.
    """
    try:
        with _opened(slot_cache) as cache:
            _make_open(IN_SLOT_CACHE, cache)
            try:
                opened = os.open(IN_SLOT_CACHE, _FOLDER, dir_fd=cache)
            except OSError as error:
                if error.errno in _NO_FOLDER:
                    return
                raise
            try:
                for name in TOOLS:
                    _make_open(name, opened)
            finally:
                os.close(opened)
    except OSError as error:
        raise JobDirError(f"cannot make {slot_cache / IN_SLOT_CACHE}: {error.strerror}") from error


def open_to_readers(folder: Path, business: Path | None = None) -> None:
    """Let all jobs read the folder that the whole business shares; it stays ours.

    :param business: let users of this host pass on the way there, too; None: containers have it mounted.
    :raises JobDirError: when that cannot be done.
    """
    try:
        if business is not None:
            _let_pass(folder.parent, business)
        with _opened(folder) as opened:
            os.fchmod(opened, 0o755)
            for name in TOOLS:
                _open(name, opened, 0o755)
    except OSError as error:
        raise JobDirError(f"cannot open {folder} to jobs: {error.strerror}") from error


def open_to_host_jobs(folder: Path, business: Path, owner: Owner) -> None:
    """Give the folders of types to the user that jobs of this host run as.

    What belongs to somebody else (``--user`` has changed) is begun anew: a job must not write through what
    another user may have planted.

    :raises JobDirError: when that cannot be done.
    """
    try:
        _let_pass(folder.parent, business)
        with _opened(folder) as opened:
            os.fchmod(opened, _PASS_THROUGH)
            for name in TOOLS:
                if _holds_of_others(name, opened, owner.user):
                    _begin_anew(folder, name, opened)
                _open(name, opened, 0o755, owner)
    except OSError as error:
        raise JobDirError(f"cannot open {folder} to jobs: {error.strerror}") from error


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    opened = os.open(folder, _FOLDER)
    try:
        yield opened
    finally:
        os.close(opened)


def _make_open(name: str, parent: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    _open(name, parent, 0o777)


def _open(name: str, parent: int, mode: int, owner: Owner | None = None) -> None:
    try:
        opened = os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno in _NO_FOLDER:
            return
        raise
    try:
        os.fchmod(opened, mode)
        if owner is not None:
            os.fchown(opened, owner.user, owner.group)
    finally:
        os.close(opened)


def _let_pass(folder: Path, business: Path) -> None:
    """Let others pass through ``folder`` and all above it, up to the business; no job can write there."""
    while folder != business.parent:
        mode = folder.stat().st_mode & 0o777
        if mode & 0o011 != 0o011:
            folder.chmod(mode | _PASS_THROUGH)
        folder = folder.parent


def _holds_of_others(name: str, parent: int, user: int) -> bool:
    """Tell whether ``name`` is another user's, with something in it."""
    try:
        opened = os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno in _NO_FOLDER:
            return False
        raise
    try:
        return os.fstat(opened).st_uid != user and bool(os.listdir(opened))
    finally:
        os.close(opened)


def _begin_anew(folder: Path, name: str, opened: int) -> None:
    """Take another user's folder away at once, then remove it as far as that goes."""
    aside = folder.with_name(f".{name}.{secrets.token_hex(4)}")
    os.rename(name, aside, src_dir_fd=opened)
    os.mkdir(name, 0o700, dir_fd=opened)
    with contextlib.suppress(RecursionError):
        shutil.rmtree(aside, ignore_errors=True)
