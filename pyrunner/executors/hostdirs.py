"""Folders of host jobs: traversable down to the sources, the sources the job user's own.

Whatever a job wants to run under another user of this host (``sudo -u postgres …``) has to reach its
files as with gitlab-runner. The folders on the way can be passed through but not listed; what holds
tokens (``build/``, ``jobs/``, ``data_data.json``) stays private.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Final

from pyrunner.errors import BuildError, JobDirError
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
    try:
        current = source.parent
        while current != business.parent:
            # Ours alone up to here: no job can have put a link in place of one of these.
            _open(current)
            current = current.parent
        _open(business.parent)
        source.chmod(0o755)
        if record.user:
            owner = _owner(record.user)
            os.chown(source, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
    except OSError as error:
        raise JobDirError(f"cannot open {error.filename}: {error.strerror}") from error


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
