"""Brings a local archive from, and to, the remote cache (job-execution.md 7.2, 7.3)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from pyrunner.errors import ArchiveError
from pyrunner.helper.remote.failures import with_retries
from pyrunner.helper.remote.options import Source, Target
from pyrunner.helper.remote.record import recorded_etag
from pyrunner.helper.remote.storing import Attributes

_log = logging.getLogger(__name__)


def download(source: Source, file: Path) -> None:
    """Bring ``file`` up to date with the remote archive.

    A missing GoCloud object is no error, then there may still be a local archive; a missing presigned one
    is (7.2).

    :raises PyrunnerError: when it cannot be had or stored.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveError(f"{error.filename}: {(error.strerror or '').lower()}") from error
    with_retries(lambda: _download(source, file), source.tuning.retries, source.tuning.pause)


def _download(source: Source, file: Path) -> None:
    if source.gocloud_url:
        from pyrunner.helper.remote import gocloud

        _log.info("Using GoCloud URL for cache download")
        gocloud.download(source, file)
        return
    from pyrunner.helper.remote.presigned import PresignedDownload

    _log.info("Using presigned URL for cache download")
    PresignedDownload(source).run(file)


def upload(target: Target, file: Path, metadata: Mapping[str, str]) -> None:
    """Store ``file`` as the remote archive, unless it is larger than the limit.

    :param metadata: for the object; a presigned URL has it signed in.
    :raises PyrunnerError: when it was not taken.
    """
    try:
        size = file.stat().st_size
    except OSError as error:
        raise ArchiveError(f"{file}: {(error.strerror or '').lower()}") from error
    if target.limit and size > target.limit:
        _log.info(
            "Cache archive size (%d) is too big (Limit is set to %d). Cache will be stored only locally.",
            size,
            target.limit,
        )
        return
    with_retries(lambda: _upload(target, file, metadata), target.tuning.retries, target.tuning.pause)


def _upload(target: Target, file: Path, metadata: Mapping[str, str]) -> None:
    if target.gocloud_url:
        from pyrunner.helper.remote import gocloud

        _log.info("Using GoCloud URL for cache upload")
        gocloud.upload(target, file, metadata)
        return
    from pyrunner.helper.remote import presigned

    _log.info("Using presigned URL for cache upload")
    presigned.upload(target, file)


def is_stored(target: Target, file: Path) -> bool:
    """Tell whether the remote archive is certainly there, and not older than ``file``."""
    remote = _found(target)
    if remote is None:
        return False
    known = recorded_etag(file)
    if known and known == remote.etag:
        return True
    # An upload that failed has left the archive here newer than the one there; servers keep whole seconds.
    return remote.modified >= int(file.stat().st_mtime)


def _found(target: Target) -> Attributes | None:
    if target.gocloud_url:
        from pyrunner.helper.remote import gocloud

        return gocloud.find(target)
    from pyrunner.helper.remote import presigned

    return presigned.find(target)
