"""A trace keeps its head and its end (design R10; job-execution.md 6.6 for the head).

Up to the limit the trace is gitlab-runner's byte for byte. What is beyond goes to overflow.log, and its
last part into the trace when the job has ended: there stands why it failed.
"""

from __future__ import annotations

from typing import Final

from pyrunner.trace.lines import BOLD_YELLOW, RESET
from pyrunner.trace.outfile import OutputFile
from pyrunner.trace.utf8 import Utf8Sanitizer

#: Limit where none is configured, in bytes.
DEFAULT_LIMIT: Final = 4 * 1024 * 1024
#: Most bytes beyond the limit that the trace shows at its end.
TAIL: Final = 64 * 1024


class TraceLimiter:
    """Writes sanitised output to the trace up to the limit, and to the overflow beyond.

    :param limit: bytes; 0 or less for :data:`DEFAULT_LIMIT`.
    """

    def __init__(self, trace: OutputFile, overflow: OutputFile, limit: int) -> None:
        self._trace = trace
        self._overflow = overflow
        self._limit = limit if limit > 0 else DEFAULT_LIMIT
        self._sanitizer = Utf8Sanitizer()
        self._exceeded = False
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Take output of any writer into memory; the caller flushes the files."""
        self._store(self._sanitizer.feed(data))

    def close(self) -> None:
        """End the trace, with the last part of the overflow if there is any. Safe twice.

        :raises DiskFull: when there is no room; call it again when there is.
        """
        self._store(self._sanitizer.close())
        self._overflow.finish()
        if self._overflow.size and not self._ended:
            self._ended = True
            self._append_tail()
        self._trace.finish()

    def _store(self, data: bytes) -> None:
        if self._exceeded:
            self._overflow.write(data)
            return
        room = self._limit - self._trace.size
        if len(data) < room:
            self._trace.write(data)
            return
        self._exceeded = True
        cut = _boundary(data, room)
        notice = (
            f"Job's log exceeded limit of {self._limit} bytes.\n"
            "Job execution will continue; the end of the log follows when the job has ended."
        )
        self._trace.write(data[:cut] + b"\n" + _notice(notice))
        self._overflow.write(data[cut:])

    def _append_tail(self) -> None:
        size = self._overflow.size
        start = max(0, size - TAIL)
        tail = self._overflow.tail(start)
        if start:
            start += _line_start(tail)
            tail = self._overflow.tail(start)
        notice = f"{start} bytes of the log are left out here." if start else "The log continues here."
        self._trace.write(_notice(notice) + tail)


def _notice(text: str) -> bytes:
    return BOLD_YELLOW + text.encode() + RESET + b"\n"


def _boundary(data: bytes, cut: int) -> int:
    """Return the last boundary between characters that is not behind ``cut``."""
    while cut < len(data) and cut > 0 and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut


def _line_start(data: bytes) -> int:
    """Return where the first line that begins in ``data`` does; without any, the first character."""
    at = data.find(b"\n") + 1
    if 0 < at < len(data):
        return at
    at = 0
    while at < len(data) and data[at] & 0xC0 == 0x80:
        at += 1
    return at
