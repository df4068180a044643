"""``raw.idx``: which bytes of raw.log came when from which stream (design R3).

A header of 16 bytes, then records of 20 bytes, little endian::

    header  magic 8s, version u16, hint stream u8, unused u8, hint stage u16, unused u16
    record  end offset in raw.log u64, time in microseconds i64, stage number u16, stream u8, kind u8

A record covers the bytes from the end of the record before it up to its own. The hint names the stream
that bytes without a record belong to: those of a writer killed between the two (:mod:`.rawlog`).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple

from pyrunner.errors import JobDirError

MAGIC: Final = b"PYRAWIDX"
VERSION: Final = 1
HEADER: Final = struct.Struct("<8sHBxH2x")
HINT: Final = struct.Struct("<BxH")
HINT_OFFSET: Final = 10
RECORD: Final = struct.Struct("<QqHBB")
#: Records that are read at once.
_BATCH: Final = 4096


class Kind(IntEnum):
    """What a record says."""

    #: Bytes came; none at all for an empty message.
    DATA = 0
    #: The writers of one stage are closed; what they hold back comes out.
    CLOSE_STAGE = 1
    #: The job's output is complete; nothing follows.
    FINAL = 2
    #: The writer of the runner's own messages is closed; the next message opens another.
    CLOSE_MESSAGES = 3


class Record(NamedTuple):
    """One record."""

    end: int
    #: Microseconds since the epoch.
    time: int
    stage: int
    stream: int
    kind: int


def pack_header(stream: int = 0, stage: int = 0) -> bytes:
    """Return the header with a hint."""
    return HEADER.pack(MAGIC, VERSION, stream, stage)


def check_header(data: bytes, path: Path) -> tuple[int, int]:
    """Return the hint (stream, stage) of a header.

    :raises JobDirError: when it is not one of this version.
    """
    magic, version, stream, stage = HEADER.unpack(data)
    if magic != MAGIC:
        raise JobDirError(f"{path}: not an index of a raw log")
    if version != VERSION:
        raise JobDirError(f"{path}: version {version} is not known; finish the job with the one it is from")
    return stream, stage


def read_records(fd: int, first: int = 0) -> Iterator[list[Record]]:
    """Yield the whole records from number ``first`` on, some thousand at a time.

    A part of a record at the end is left out: its writer was killed, or is about to complete it.
    """
    offset = HEADER.size + first * RECORD.size
    while True:
        data = os.pread(fd, _BATCH * RECORD.size, offset)
        whole = len(data) - len(data) % RECORD.size
        if not whole:
            return
        yield [Record._make(fields) for fields in RECORD.iter_unpack(memoryview(data)[:whole])]
        offset += whole
