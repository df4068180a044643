"""Zip records beyond 16 and 32 bits, and what archives say about owners and times (7.4)."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

from pyrunner.helper.zipformat import DEFLATED, ZipRecord, end_records
from pyrunner.helper.zipread import read_directory


def test_more_entries_than_16_bits_hold(tmp_path: Path) -> None:
    """70 000 entries: the end of the archive has its 64-bit form, which Python and we read."""
    names = [f"{number:05}" for number in range(70_000)]
    archive = tmp_path / "a.zip"
    with archive.open("wb") as file:
        line = ZipRecord.of(b"00000/", os.lstat(tmp_path)).central()
        size = sum(file.write(line.replace(b"00000/", f"{name}/".encode())) for name in names)
        file.write(end_records(len(names), size, 0))
    with zipfile.ZipFile(archive) as read:
        assert len(read.namelist()) == 70_000
    with archive.open("rb") as file:
        assert [one.name for one in read_directory(file)] == [f"{name}/" for name in names]


def test_sizes_and_places_beyond_32_bits(tmp_path: Path) -> None:
    """A directory line of an entry of 5 GiB behind 6 GiB of others says so in its 64-bit field."""
    record = ZipRecord.of(b"huge", os.lstat(tmp_path))
    record.method, record.streamed, record.wide = DEFLATED, True, True
    record.size, record.packed, record.offset = 5 << 30, (5 << 30) + 1, 6 << 30
    line = record.central()
    archive = tmp_path / "a.zip"
    archive.write_bytes(line + end_records(1, len(line), 0))
    with archive.open("rb") as file:
        (entry,) = read_directory(file)
    assert (entry.size, entry.packed, entry.offset) == (5 << 30, (5 << 30) + 1, 6 << 30)
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as read:
        (info,) = read.infolist()
    assert (info.file_size, info.compress_size, info.header_offset) == (5 << 30, (5 << 30) + 1, 6 << 30)


def test_owner_time_and_mode_are_kept(tmp_path: Path) -> None:
    """The extra fields 0x7875 and 0x5455 carry what the DOS fields cannot: odd seconds, ids."""
    (tmp_path / "file").write_bytes(b"")
    os.utime(tmp_path / "file", (0, 1_000_000_001))
    status = os.lstat(tmp_path / "file")
    line = ZipRecord.of("näme".encode(), status).central()
    archive = tmp_path / "a.zip"
    archive.write_bytes(line + end_records(1, len(line), 0))
    with archive.open("rb") as file:
        (entry,) = read_directory(file)
    assert (entry.name, entry.mtime, entry.uid, entry.gid, entry.mode) == (
        "näme", 1_000_000_001, status.st_uid, status.st_gid, status.st_mode,
    )  # fmt: skip
