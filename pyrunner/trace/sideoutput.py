"""What the raw log holds of one writer beside the stages, e.g. of a service's log.

Such a writer has a stage number of its own, above all stages, so that its lines are one chain of the trace
and the index tells how far it came: who starts it again goes on exactly there.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Final

from pyrunner.jobdir.control import ControlDir
from pyrunner.trace.rawindex import Kind
from pyrunner.trace.rawreader import RawReader

#: Numbers from here on are writers beside the stages.
FIRST_SIDE_NUMBER: Final = 0xF000
_LAST_NUMBER: Final = 0xFFFF


def free_side_number(control: ControlDir) -> int:
    """Return the first number from which on no writer beside the stages has written."""
    highest = FIRST_SIDE_NUMBER - 1
    with contextlib.closing(RawReader(control.raw_log, control.raw_index)) as reader:
        for records in reader.records(0):
            highest = max(highest, max(record.stage for record in records))
    return highest + 1


def side_number(first: int, index: int) -> int:
    """Return the number of a writer; beyond 4096 of them they share the last."""
    return min(first + index, _LAST_NUMBER)


def output_tail(control: ControlDir, number: int, limit: int) -> tuple[bytes, bool]:
    """Return the last output of a writer, at most about ``limit`` bytes, and whether it is all of it."""
    pieces: deque[tuple[int, int]] = deque()
    held, whole, start, until = 0, True, 0, 0
    with contextlib.closing(RawReader(control.raw_log, control.raw_index)) as reader:
        for records in reader.records(0):
            for record in records:
                if record.stage == number and record.kind == Kind.DATA and record.end > start:
                    pieces.append((start, record.end))
                    held += record.end - start
                start = until = record.end
            while held > limit and len(pieces) > 1:
                first, end = pieces.popleft()
                held -= end - first
                whole = False
        return b"".join(_read(reader, first, end, until) for first, end in pieces), whole


def _read(reader: RawReader, start: int, end: int, until: int) -> bytes:
    data = b""
    while start < end:
        part = reader.read(start, end, until)
        data += part
        start += len(part)
    return data
