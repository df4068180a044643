"""A service's log as lines of the trace, and where in it one has to go on (docker-executor.md 5.6)."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from pyrunner.trace.lines import GREY, RESET
from pyrunner.trace.text import to_bytes

_END: Final = RESET + b"\n"
#: How the engine writes times: nine digits of a second, UTC.
_TIME: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{1,9})Z(?: |$)")

_SECOND: Final = 1_000_000_000
#: How late a line can be in its log, nanoseconds.
_LATE: Final = _SECOND


def line_prefix(aliases: Iterable[str]) -> bytes:
    """Return what each line of a service begins with."""
    return GREY + b"[service:" + to_bytes("-".join(aliases)) + b"] "


def trace_lines(piece: bytes, prefix: bytes) -> Iterator[bytes]:
    """Yield the lines of one piece of a log, each with its colour and the service's names."""
    for line in piece.removesuffix(b"\n").split(b"\n"):
        yield prefix + line + _END


def _nanoseconds(line: bytes, start: int) -> int:
    """Return the time of a line, 0 when it has none."""
    found = _TIME.match(line, start)
    if found is None:
        return 0
    second = calendar.timegm(time.strptime(found[1].decode(), "%Y-%m-%dT%H:%M:%S"))
    return second * _SECOND + int(found[2].ljust(9, b"0"))


@dataclass(frozen=True)
class LogPosition:
    """Where in a container's log the trace stands.

    The lines of two streams need not come in the order of their times: the log is read again from a little
    earlier on, and the lines that are known are counted.
    """

    #: Seconds and nanoseconds, for the engine; empty: from the beginning.
    since: str = ""
    #: Lines since then that are in the trace already.
    lines: int = 0
    #: Bytes of the next line that are in the trace already: its writer was killed.
    partial: int = 0

    @classmethod
    def behind(cls, written: bytes, whole: bool, prefix: bytes) -> Self:
        """Return the position behind ``written``.

        :param written: the last lines of the service, as :func:`trace_lines` makes them.
        :param whole: it is all that was ever written; else it may begin within a line.
        """
        complete, newline, rest = written.rpartition(b"\n")
        lines = complete.split(b"\n") if newline else []
        if not whole:
            del lines[:1]
        times: list[int] = []
        for line in lines:
            # A line without a time is a part of the one before.
            times.append(_nanoseconds(line, len(prefix)) or (times[-1] if times else 0))
        if not any(times):
            return cls("", len(lines), len(rest))
        latest = max(times)
        since = latest - _LATE
        if not whole:
            # Of what lies before, and may be as late, nothing is known.
            since = max(since, (times[0] + latest) // 2)
        count = sum(1 for one in times if one >= since)
        return cls(f"{since // _SECOND}.{since % _SECOND:09d}", count, len(rest))

    def rest_of(self, pieces: Iterable[bytes], prefix: bytes) -> Iterator[bytes]:
        """Yield what is not in the trace yet of a log that was read from :attr:`since` on."""
        skip, partial = self.lines, self.partial
        for piece in pieces:
            for line in trace_lines(piece, prefix):
                if skip:
                    skip -= 1
                elif partial:
                    yield line[partial:]
                    partial = 0
                else:
                    yield line
