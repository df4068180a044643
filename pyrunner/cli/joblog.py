"""A job's log as its run directory has it, line by line, while it grows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import load_state

_HEADER: Final = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([0-9a-f]{2})([OE])[ +]")
_SECTION: Final = re.compile(rb"section_(?:start|end):\d+:[^\r\n]*\r\x1b\[0K")
_ERASE: Final = b"\x1b[0K"
_STREAMS: Final = {b"00": "runner", b"01": "job", b"0f": "service"}
#: Bytes read at a time, and most of one line that are kept together.
_BLOCK: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line without its header.

    :param time: RFC 3339 in UTC; empty where the log has no times.
    :param stream: ``runner``, ``stdout``, ``stderr``, ``service``; empty where the log does not say.
    """

    text: bytes
    time: str = ""
    stream: str = ""


def parse_line(line: bytes) -> LogLine | None:
    """Return what a line of a trace says; None for one that only marks a section."""
    match = _HEADER.match(line)
    body = line[match.end() :] if match else line
    text = _SECTION.sub(b"", body)
    if text != body and not text:
        return None
    text = text.replace(_ERASE, b"").removesuffix(b"\r")
    if match is None:
        return LogLine(text)
    stream = _STREAMS.get(match[2], "service")
    if stream == "job":
        stream = "stderr" if match[3] == b"E" else "stdout"
    return LogLine(text, match[1].decode(), stream)


class JobLog:
    """Reads a log from where it was read last.

    :param path: the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def skip_to_last(self, lines: int) -> None:
        """Begin with the last so many lines."""
        try:
            with self._path.open("rb") as file:
                self._offset = _start_of_last(file.fileno(), lines)
        except FileNotFoundError:
            return

    def read(self) -> Iterator[bytes]:
        """Yield the lines that are complete by now, without their ends."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            while data := os.pread(file.fileno(), _BLOCK, self._offset):
                self._offset += len(data)
                *lines, self._rest = (self._rest + data).split(b"\n")
                yield from lines
                if len(self._rest) > _BLOCK:
                    rest, self._rest = self._rest, b""
                    yield rest

    def close(self) -> Iterator[bytes]:
        """Yield the last line when it has no end."""
        rest, self._rest = self._rest, b""
        if rest:
            yield rest


def has_ended(control: ControlDir) -> bool:
    """Tell whether nothing more will come, as far as can be known."""
    try:
        state = load_state(control.state)
    except JobDirError:  # broken, or of another version: nobody here can tell when it ends
        return True
    # An acknowledged job may be pruned while we look at it.
    return (state is not None and state.phase == "finished") or not control.path.exists()


def _start_of_last(fd: int, lines: int) -> int:
    """Return where the last so many lines begin; a line without an end counts as one."""
    end = os.fstat(fd).st_size
    if not lines:
        return end
    wanted = lines + 1 if os.pread(fd, 1, max(0, end - 1)) == b"\n" else lines
    while end > 0:
        start = max(0, end - _BLOCK)
        block = os.pread(fd, end - start, start)
        found = block.count(b"\n")
        if found >= wanted:
            place = len(block)
            for _ in range(wanted):
                place = block.rindex(b"\n", 0, place)
            return start + place + 1
        wanted -= found
        end = start
    return 0
