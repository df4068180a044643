"""Fetching one large file from object storage in many ranges at a time (runner-api.md 7.3, step 2).

``FF_USE_PARALLEL_ARTIFACT_TRANSFER``. Whatever is not as it should be ends it, and the ordinary way is taken.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import CoordinatorError, RequestCanceled
from pyrunner.gitlab.call import Call
from pyrunner.gitlab.cancel import Stop
from pyrunner.gitlab.streams import Streaming

_log = logging.getLogger(__name__)

#: Bytes of a range, and how many are fetched at a time; fixed, as with gitlab-runner.
RANGE: Final = 16 << 20
STREAMS: Final = 16

_PIECE: Final = 1 << 20
_TOTAL: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)", re.ASCII)
_SINGLE: Final = "using single download stream"


@dataclass(frozen=True, slots=True)
class RangeDownload:
    """One file at a URL that is good without credentials.

    :param location: whole URL.
    :param read_timeout: longest silence, seconds.
    :param total_timeout: seconds for a range.
    :param fields: of the log lines.
    """

    transport: Streaming
    location: str
    read_timeout: float
    total_timeout: float
    fields: Mapping[str, Any]
    on_bytes: Callable[[int], None] | None = None
    stop: Stop | None = None

    def run(self, target: Path) -> int | None:
        """Fetch the file into ``target``; its size, or None when it is to be fetched in one go.

        :raises RequestCanceled: when ``stop`` came first.
        """
        found = self._probe()
        if found is None:
            return None
        size, etag = found
        if size <= RANGE:
            self._say(f"file size <= {RANGE >> 20} MiB (chunk size), {_SINGLE}")
            return None
        self._say(f"parallel, {STREAMS} streams, {RANGE >> 20} MiB chunk size")
        try:
            self._fetch(target, size, etag)
        except (RequestCanceled, KeyboardInterrupt):
            raise
        except (CoordinatorError, OSError, _Unexpected) as error:
            _log.info(
                "Artifact download: parallel failed, %s",
                _SINGLE,
                extra={"fields": {**self.fields, "error": str(error)}},
            )
            return None
        return size

    def _probe(self) -> tuple[int, str] | None:
        """Ask for one byte; return the file's size and its ETag."""
        try:
            with self.transport.stream(self._call(0, 1), self.stop) as answer:
                if answer.status != 206:
                    self._say(f"remote host does not support Range, {_SINGLE}")
                    return None
                place = _TOTAL.fullmatch(answer.headers.get("Content-Range", ""))
                if place is None or int(place[3]) <= 0:
                    self._say(f"unknown size (no Content-Range total), {_SINGLE}")
                    return None
                return int(place[3]), answer.headers.get("ETag", "")
        except RequestCanceled:
            raise
        except CoordinatorError:
            self._say(f"cannot probe size (Range request failed), {_SINGLE}")
            return None

    def _fetch(self, target: Path, size: int, etag: str) -> None:
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        pool = ThreadPoolExecutor(STREAMS, "artifact range")
        try:
            work = [pool.submit(self._range, fd, offset, size, etag) for offset in range(0, size, RANGE)]
            ended, _ = wait(work, return_when=FIRST_EXCEPTION)
            for one in ended:
                one.result()
        finally:
            pool.shutdown(cancel_futures=True)
            os.close(fd)

    def _range(self, fd: int, offset: int, size: int, etag: str) -> None:
        length = min(RANGE, size - offset)
        with self.transport.stream(self._call(offset, length), self.stop) as answer:
            place = answer.headers.get("Content-Range", "")
            # What is replaced meanwhile must not be put together from two files.
            if answer.status != 206 or place != f"bytes {offset}-{offset + length - 1}/{size}":
                raise _Unexpected(f"range request failed: status {answer.status}")
            if answer.headers.get("ETag", "") != etag:
                raise _Unexpected("the file was replaced meanwhile")
            done = 0
            for piece in answer.chunks(_PIECE):
                if done + len(piece) > length:
                    raise _Unexpected(f"more than a range was sent at offset {offset}")
                done += _write(fd, piece, offset + done)
                if self.on_bytes is not None:
                    self.on_bytes(len(piece))
            if done < length:
                raise _Unexpected(f"less than a range was sent at offset {offset}")

    def _call(self, offset: int, length: int) -> Call:
        return Call(
            "GET",
            "",
            # A range of packed bytes would be one of other bytes.
            {"Range": f"bytes={offset}-{offset + length - 1}", "Accept-Encoding": "identity"},
            url=self.location,
            read_timeout=self.read_timeout,
            total_timeout=self.total_timeout,
        )

    def _say(self, text: str) -> None:
        _log.info("Artifact download: %s", text, extra={"fields": dict(self.fields)})


class _Unexpected(Exception):
    """An answer that no object storage should give."""


def _write(fd: int, data: bytes, offset: int) -> int:
    done = 0
    while done < len(data):
        done += os.pwrite(fd, data[done:], offset + done)
    return done
