"""A trace for people: time stamp headers off, section markers off, a job's name in front of each line."""

from __future__ import annotations

import re
from typing import Final

_HEADER: Final = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [0-9a-f]{2}[OE][ +]")
_HEADER_SIZE: Final = 32
_SECTION: Final = re.compile(rb"section_(?:start|end):\d+:[^\r\n]*\r\x1b\[0K")
_ERASE: Final = b"\x1b[0K"


class TraceView:
    """Turns the pieces of one trace, as they arrive, into whole lines to show.

    :param prefix: put in front of each line.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.encode()
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete now, without newline."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [self._prefix + shown for line in lines if (shown := self._show(line)) is not None]

    def close(self) -> list[bytes]:
        """Return the last line when it has no newline."""
        rest, self._rest = self._rest, b""
        shown = self._show(rest) if rest else None
        return [] if shown is None else [self._prefix + shown]

    @staticmethod
    def _show(line: bytes) -> bytes | None:
        body = line[_HEADER_SIZE:] if _HEADER.match(line) else line
        shown = _SECTION.sub(b"", body)
        if shown != body and not shown:
            return None
        return shown.replace(_ERASE, b"")
