"""Transfers by a GoCloud URL: a place, with credentials in the environment (job-execution.md 7.5)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from pyrunner.errors import ArchiveError, UsageError
from pyrunner.helper.meter import Meter
from pyrunner.helper.remote.failures import TransferError, clean_url
from pyrunner.helper.remote.options import Source, Target, Tuning
from pyrunner.helper.remote.parallel import fetch_ranges
from pyrunner.helper.remote.record import record_etag
from pyrunner.helper.remote.storing import Attributes, is_up_to_date, store, write_fully

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A GoCloud URL, taken apart."""

    scheme: str
    bucket: str
    name: str
    #: Options of the scheme's driver.
    query: Mapping[str, str]


class ObjectMissing(TransferError):
    """There is no such object."""


class ObjectStore(Protocol):
    """The objects of one bucket; all methods raise TransferError."""

    def attributes(self, name: str) -> Attributes:
        """Return what is known of an object.

        :raises ObjectMissing: when there is none.
        """

    def read(self, name: str, offset: int, length: int, etag: str) -> Iterable[bytes]:
        """Yield a range of an object, which still has to be the one with this ``etag``."""

    def write(self, name: str, file: Path, metadata: Mapping[str, str], count: Callable[[int], None]) -> str:
        """Store a file, in parts where it is large; ``count`` is told the bytes that are sent.

        :returns: the ETag.
        """


def download(source: Source, file: Path) -> None:
    """Bring ``file`` up to date; does nothing when there is no remote archive.

    :raises TransferError: when it cannot be had.
    :raises ArchiveError: when it cannot be stored here.
    """
    tuning = source.tuning
    place = parse(source.gocloud_url)
    objects = open_store(place, source.environment, tuning)
    url = source.gocloud_url
    if source.alternate_gocloud_url:
        other = parse(source.alternate_gocloud_url)
        # Both are of one bucket and share the credentials.
        if _is_newer(objects, place.name, other.name):
            place, url = other, source.alternate_gocloud_url
    try:
        found = objects.attributes(place.name)
    except ObjectMissing:
        return
    if is_up_to_date(file, found):
        _log.info("%s is up to date", file.name)
        return
    in_parallel = tuning.parallel and tuning.concurrency > 1 and found.size > tuning.chunk
    suffix = " (parallel)" if in_parallel else ""
    fields = {"etag": found.etag} if found.etag else {}
    _log.info("Downloading %s from %s%s", file.stem, clean_url(url), suffix, extra={"fields": fields})

    def fetch(offset: int, length: int) -> Iterable[bytes]:
        return objects.read(place.name, offset, length, found.etag)

    def write(fd: int) -> None:
        with Meter("Downloading cache", found.size, tuning.meter) as meter:
            if in_parallel:
                fetch_ranges(fd, found.size, tuning.chunk, tuning.concurrency, fetch, meter)
                return
            offset = 0
            for piece in fetch(0, found.size) if found.size else ():
                write_fully(fd, piece, offset)
                offset += len(piece)
                meter.add(len(piece))

    store(file, found, write)


def upload(target: Target, file: Path, metadata: Mapping[str, str]) -> None:
    """Store the archive, and remember what it is called there.

    :raises TransferError: when it was not taken.
    :raises ArchiveError: when it cannot be read.
    """
    _log.info("Uploading %s to %s", file.name, clean_url(target.gocloud_url))
    place = parse(target.gocloud_url)
    objects = open_store(place, target.environment, target.tuning)
    try:
        status = file.stat()
        with Meter("Uploading cache", status.st_size, target.tuning.meter) as meter:
            etag = objects.write(place.name, file, metadata, meter.add)
        record_etag(file, status, etag)
    except OSError as error:
        raise ArchiveError(f"{error.filename or file}: {(error.strerror or '').lower()}") from error


def find(target: Target) -> Attributes | None:
    """Return what is known of the object; None when it is not certainly there."""
    place = parse(target.gocloud_url)
    try:
        return open_store(place, target.environment, target.tuning).attributes(place.name)
    except TransferError as error:
        _log.debug("Primary cache object not found in remote storage: %s", error)
        return None


def parse(url: str) -> Place:
    """Take a URL apart.

    :raises UsageError: when it names no object.
    """
    try:
        parts = urlsplit(url)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    except ValueError as error:
        raise UsageError(f"not a Go Cloud URL: {clean_url(url)}") from error
    name = unquote(parts.path, errors="surrogateescape").lstrip("/")
    if not name:
        raise UsageError("no object name provided")
    return Place(parts.scheme, parts.netloc, name, query)


def open_store(place: Place, environment: Mapping[str, str], tuning: Tuning) -> ObjectStore:
    """Return the bucket of an object.

    :raises RemoteCacheError: when the provider's library is not installed.
    :raises UsageError: for another provider.
    """
    if place.scheme == "s3":
        from pyrunner.helper.remote.s3_objects import S3Objects

        return S3Objects(place, environment, tuning)
    if place.scheme == "azblob":
        from pyrunner.helper.remote.azure_objects import AzureObjects

        return AzureObjects(place, environment, tuning)
    raise UsageError(f'no driver registered for scheme "{place.scheme}": use s3:// or azblob://')


def _is_newer(objects: ObjectStore, primary: str, alternate: str) -> bool:
    """Tell whether the alternate object is the one to take."""
    first, second = _found(objects, primary), _found(objects, alternate)
    fields: dict[str, object] = {"primary_object": primary, "alternate_object": alternate}
    if first is None and second is not None:
        _log.info("Selecting alternate GoCloud cache: primary not available", extra={"fields": fields})
        return True
    if first is not None and second is not None and second.modified > first.modified:
        fields["primary_modified"] = _shown(first.modified)
        fields["alternate_modified"] = _shown(second.modified)
        _log.info("Selecting alternate GoCloud cache: newer timestamp", extra={"fields": fields})
        return True
    _log.info("Selecting primary GoCloud cache", extra={"fields": fields})
    return False


def _found(objects: ObjectStore, name: str) -> Attributes | None:
    try:
        return objects.attributes(name)
    except TransferError:
        return None


def _shown(modified: float) -> str:
    return datetime.fromtimestamp(modified, UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
