"""Transfers by presigned URLs (job-execution.md 7.2, 7.3)."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Final

from pyrunner.errors import ArchiveError
from pyrunner.helper.meter import Meter
from pyrunner.helper.remote.failures import TransferError, clean_url
from pyrunner.helper.remote.http import Answer, CacheHTTP, Readable
from pyrunner.helper.remote.options import Source, Target, Tuning
from pyrunner.helper.remote.parallel import fetch_ranges
from pyrunner.helper.remote.record import record_etag
from pyrunner.helper.remote.storing import Attributes, is_up_to_date, store, write_fully

_RANGE_TOTAL: Final = re.compile(r"bytes [^/]*/([0-9]+)\Z")
_METADATA: Final = re.compile(r"x-[^-]*-meta-(.+)\Z", re.IGNORECASE)
#: Buffer of one of many streams, in bytes: together they must not take more than one may.
_SMALL_BUFFER: Final = 256 * 1024
_CONTENT_TYPE: Final = "Content-Type"

_log = logging.getLogger(__name__)


class PresignedDownload:
    """Fetches the archive of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tuning = source.tuning
        self._http = _http(source.tuning, source.environment)

    def run(self, file: Path) -> None:
        """Bring ``file`` up to date.

        :raises TransferError: when the remote archive cannot be had.
        :raises ArchiveError: when it cannot be stored here.
        """
        try:
            url = self._selected()
            if self._tuning.parallel and self._tuning.concurrency > 1 and self._in_parallel(url, file):
                return
            with self._http.get(url) as answer:
                self._keep(url, answer, file)
        finally:
            self._http.close()

    # ---- which of two

    def _selected(self) -> str:
        """Return the URL of the newer archive, of the first one in doubt."""
        source = self._source
        if not source.alternate_url:
            return source.url
        primary = self._modified(source.head_url or source.url)
        alternate = self._modified(source.alternate_head_url or source.alternate_url)
        fields = {
            "primary_url": clean_url(source.url),
            "alternate_url": clean_url(source.alternate_url),
            "primary_modified": _shown(primary),
            "alternate_modified": _shown(alternate),
        }
        if primary is None and alternate is not None:
            _log.info("Selecting alternate cache URL: primary not available", extra={"fields": fields})
            return source.alternate_url
        if primary is not None and alternate is not None and alternate > primary:
            _log.info("Selecting alternate cache URL: newer timestamp", extra={"fields": fields})
            return source.alternate_url
        _log.info("Selecting primary cache URL", extra={"fields": fields})
        return source.url

    def _modified(self, url: str) -> float | None:
        try:
            answer = self._http.head(url)
        except TransferError:
            return None
        return _last_modified(answer) if answer.status == 200 else None

    # ---- one stream

    def _keep(self, url: str, answer: Answer, file: Path) -> None:
        remote = _attributes(answer)
        if is_up_to_date(file, remote):
            _log.info("%s is up to date", file.name)
            return
        _announce(file, url, remote, "")

        def write(fd: int) -> None:
            offset = 0
            with Meter("Downloading cache", remote.size, self._tuning.meter) as meter:
                for piece in self._http.chunks(url, answer, self._tuning.buffer):
                    write_fully(fd, piece, offset)
                    offset += len(piece)
                    meter.add(len(piece))

        store(file, remote, write)

    # ---- many

    def _in_parallel(self, url: str, file: Path) -> bool:
        """Fetch in ranges; False when the server, or the archive's size, is not for that."""
        try:
            with self._http.get(url, {"Range": "bytes=0-0"}) as answer:
                total = _RANGE_TOTAL.match(answer.headers.get("Content-Range", ""))
                status = answer.status
        except TransferError:
            return False
        if status != 206 or total is None:
            if status == 200:
                _log.info("Presigned URL did not honor Range request, using sequential download")
            return False
        remote, size = _attributes(answer), int(total[1])
        if is_up_to_date(file, remote):
            _log.info("%s is up to date", file.name)
            return True
        if size <= self._tuning.chunk:
            return False
        etag = remote.etag
        _announce(file, url, remote, " (parallel)")

        def fetch(offset: int, length: int) -> Iterator[bytes]:
            # Ranges of two archives would make none: another one in its place is an error (412).
            headers = {"Range": f"bytes={offset}-{offset + length - 1}"} | (
                {"If-Match": etag} if etag else {}
            )
            with self._http.get(url, headers) as part:
                yield from self._http.chunks(url, part, min(self._tuning.buffer, _SMALL_BUFFER))

        def write(fd: int) -> None:
            with Meter("Downloading cache", size, self._tuning.meter) as meter:
                fetch_ranges(fd, size, self._tuning.chunk, self._tuning.concurrency, fetch, meter)

        store(file, remote, write)
        return True


def upload(target: Target, file: Path) -> None:
    """Send the archive.

    :raises TransferError: when it was not taken.
    :raises ArchiveError: when it cannot be read.
    """
    http = _http(target.tuning, target.environment)
    _log.info("Uploading %s to %s", file.name, clean_url(target.url))
    try:
        with file.open("rb") as archive:
            status = os.fstat(archive.fileno())
            with Meter("Uploading cache", status.st_size, target.tuning.meter) as meter:
                reader = CountingReader(archive, meter)
                headers = _headers(target.headers, status.st_mtime)
                answer = http.put(target.url, reader, status.st_size, headers)
        record_etag(file, status, answer.headers.get("ETag", ""))
    except OSError as error:
        raise ArchiveError(f"{error.filename or file}: {(error.strerror or '').lower()}") from error
    finally:
        http.close()


def find(target: Target) -> Attributes | None:
    """Return what is known of the object; None when it is not certainly there."""
    if not target.check_url:
        return None
    http = _http(target.tuning, target.environment)
    try:
        answer = http.head(target.check_url)
        return _attributes(answer) if answer.status == 200 else None
    except TransferError as error:
        _log.warning(
            "Failed to check primary cache existence via HEAD request, assuming absent",
            extra={"fields": {"error": str(error)}},
        )
        return None
    finally:
        http.close()


class CountingReader:
    """A file that tells a meter what is read of it."""

    def __init__(self, file: Readable, meter: Meter) -> None:
        self._file = file
        self._meter = meter

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes."""
        piece = self._file.read(size)
        self._meter.add(len(piece))
        return piece


def _http(tuning: Tuning, environment: Mapping[str, str]) -> CacheHTTP:
    connections = tuning.concurrency if tuning.parallel else 1
    return CacheHTTP(tuning.timeout, environment, tuning.buffer, max(connections, 1))


def _headers(given: Mapping[str, str], modified: float) -> dict[str, str]:
    headers = dict(given)
    if not any(name.lower() == _CONTENT_TYPE.lower() for name in headers):
        headers[_CONTENT_TYPE] = "application/octet-stream"
    headers["Last-Modified"] = formatdate(modified, usegmt=True)
    return headers


def _announce(file: Path, url: str, remote: Attributes, suffix: str) -> None:
    # Whatever the format, the file is called cache.zip: its ending would mislead.
    _log.info(
        "Downloading %s from %s%s",
        file.stem,
        clean_url(url),
        suffix,
        extra={"fields": {"etag": remote.etag} if remote.etag else {}},
    )


def _attributes(answer: Answer) -> Attributes:
    length = answer.headers.get("Content-Length", "")
    return Attributes(
        int(length) if length.isdigit() else 0,
        _last_modified(answer) or 0.0,
        answer.headers.get("ETag", ""),
        _metadata(answer),
    )


def _metadata(answer: Answer) -> dict[str, str]:
    """Return what providers keep with an object: ``X-Amz-Meta-*``, ``X-Goog-Meta-*``."""
    found = ((_METADATA.match(name), value) for name, value in answer.headers.items())
    return {match[1].lower(): value for match, value in found if match}


def _last_modified(answer: Answer) -> float | None:
    try:
        return parsedate_to_datetime(answer.headers.get("Last-Modified", "")).timestamp()
    except ValueError:
        return None


def _shown(modified: float | None) -> str:
    if modified is None:
        return "0001-01-01 00:00:00 +0000 UTC"
    return datetime.fromtimestamp(modified, UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
