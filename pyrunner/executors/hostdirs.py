"""Folders of host jobs: traversable down to the sources, the sources the job user's own.

Whatever a job wants to run under another user of this host (``sudo -u postgres …``) has to reach its
files as with gitlab-runner. The folders on the way can be passed through but not listed; what holds
tokens (``build/``, ``jobs/``, ``data_data.json``) stays private.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from pyrunner.errors import BuildError, JobDirError
from pyrunner.jobdir.dependency_folders import Owner, open_to_host_jobs, open_to_readers
from pyrunner.jobdir.record import JobRecord
from pyrunner.protocol.states import FailureReason
from pyrunner.system.files import make_private

_PASS_THROUGH: Final = 0o711


def open_host_dirs(record: JobRecord) -> None:
    """Make the sources' folder and let its owner reach it.

    :raises BuildError: when ``--user`` names nobody.
    :raises JobDirError: when a folder cannot be made.
    """
    source, business = Path(record.source), Path(record.business)
    make_private(source)
    user = _owner(record.user) if record.user else None
    try:
        current = source.parent
        while current != business.parent:
            # Ours alone up to here: no job can have put a link in place of one of these.
            _open(current)
            current = current.parent
        _open(business.parent)
        source.chmod(0o755)
        if user is not None:
            os.chown(source, user.pw_uid, user.pw_gid, follow_symlinks=False)
        if record.cache:
            _open_caches(Path(record.cache), business, user)
        if record.dependency_lib:
            owner = Owner(os.geteuid(), -1) if user is None else Owner(user.pw_uid, user.pw_gid)
            open_to_host_jobs(Path(record.dependency_lib), business, owner)
        if record.dependency_lib_shared:
            open_to_readers(Path(record.dependency_lib_shared), business)
    except OSError as error:
        raise JobDirError(f"cannot open {error.filename}: {error.strerror}") from error


def _open_caches(folder: Path, business: Path, user: pwd.struct_passwd | None) -> None:
    """Make the folder of the project's cache archives the job user's own, private to him.

    One that belongs to somebody else (``--user`` has changed) is begun anew: a job of ours must not write
    through what another user may have planted in it, nor can we give that to anybody.
    """
    make_private(folder.parent)
    if user is not None:
        current = folder.parent
        while current != business:
            _open(current)
            current = current.parent
    owner, group = (os.geteuid(), -1) if user is None else (user.pw_uid, user.pw_gid)
    # The second is that of jobs with GIT_STRATEGY=empty (2.1).
    for one in (folder, folder.with_name(f"{folder.name}-empty")):
        if one.is_symlink() or (one.exists() and one.lstat().st_uid != owner):
            _remove(one)
        make_private(one)
        if user is not None:
            os.chown(one, owner, group, follow_symlinks=False)


def _remove(folder: Path) -> None:
    """Take a folder of another user's away at once, then remove it as far as that goes."""
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    folder.rename(aside)
    with suppress(RecursionError):
        shutil.rmtree(aside, ignore_errors=True)


def _open(folder: Path) -> None:
    mode = folder.stat().st_mode & 0o777
    if mode & 0o011 != 0o011:
        folder.chmod(mode | _PASS_THROUGH)


def _owner(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise BuildError(
            f"user {user!r} of --user does not exist on this host", FailureReason.CONFIGURATION_ERROR
        ) from None
