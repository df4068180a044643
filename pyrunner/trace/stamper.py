"""Each line of the trace gets its time and stream (job-execution.md 6.3)."""

from __future__ import annotations

import time
from typing import Final

from pyrunner.trace.rawlog import ERRORS, STDERR

_ERROR_STREAMS: Final = {STDERR: b"01E", ERRORS: b"00E"}
#: Most bytes of an unfinished line that are kept, header included.
_KEPT: Final = 8192


class Stamper:
    """Puts a header before each line of one writer.

    A line keeps the time of its first byte. Where a line is flushed before its end, because of a carriage
    return or its length, its next part is marked as a continuation.

    :param stream: the stream's number, in the header as two hex digits.
    """

    def __init__(self, stream: int) -> None:
        # Standard error is a type of the script's stream number, not a number of its own.
        self._stream = _ERROR_STREAMS.get(stream) or b"%02xO" % stream
        self._continues = False
        self._line = b""
        self._second = -1
        self._second_text = b""

    def feed(self, data: bytes, now: int) -> bytes:
        """Take a write.

        :param now: when it came, microseconds since the epoch.
        :returns: what is to be written, headers included.
        """
        end = data.rfind(b"\n") + 1
        out = self._lines(data[:end], now) if end else b""
        rest = data[end:] if end else data
        if not rest:
            return out
        if b"\r" in rest or len(rest) + len(self._line) > _KEPT:
            out += (self._line or self._header(now)) + rest + b"\n"
            self._line = b""
            self._continues = True
        else:
            self._line = (self._line or self._header(now)) + rest
        return out

    def close(self) -> bytes:
        """End an unfinished line."""
        line, self._line = self._line, b""
        return line + b"\n" if line else b""

    def _lines(self, data: bytes, now: int) -> bytes:
        """Take whole lines, the first of which may have been begun before."""
        first = self._line or self._header(now)
        self._line = b""
        if data.find(b"\n") == len(data) - 1:
            return first + data
        return first + data[:-1].replace(b"\n", b"\n" + self._header(now)) + b"\n"

    def _header(self, now: int) -> bytes:
        second, micro = divmod(now, 1_000_000)
        if second != self._second:
            self._second = second
            self._second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
        mark = b"+" if self._continues else b" "
        self._continues = False
        return b"%s.%06dZ %s%s" % (self._second_text, micro, self._stream, mark)
