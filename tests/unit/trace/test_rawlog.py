"""raw.log and raw.idx keep a job's output through anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.errors import DiskFull, JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.trace.rawindex import HEADER, RECORD, Kind, Record, read_records
from pyrunner.trace.rawlog import MESSAGES, SPLICE_SIZE, STDERR, STDOUT, RawLog
from tests.unit.trace.disk import file_size_limit


@pytest.fixture
def control(tmp_path: Path) -> ControlDir:
    """A control directory."""
    return ControlDir(tmp_path)


def records(control: ControlDir) -> list[Record]:
    """Return the records on disk."""
    fd = os.open(control.raw_index, os.O_RDONLY)
    try:
        return [record for batch in read_records(fd) for record in batch]
    finally:
        os.close(fd)


def fifo(control: ControlDir) -> int:
    """Make a FIFO and hold it open for both directions, as a wrapper does."""
    path = control.path / "out.test"
    os.mkfifo(path)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


def test_what_is_recorded(control: ControlDir) -> None:
    """Each message and each splice is a record with its end, time, stage and stream."""
    raw = RawLog.open(control)
    pipe = fifo(control)
    raw.append_message(b"hello\n", 1.5)
    os.write(pipe, b"output")
    assert raw.splice(pipe, STDOUT, 7, 2.25) == 6
    assert raw.splice(pipe, STDOUT, 7, 2.5) == 0
    raw.close_stage(7, 3.0)
    raw.close_stage(7, 3.5)
    raw.close_messages(4.0)
    raw.finish(5.0)
    raw.finish(6.0)
    assert control.raw_log.read_bytes() == b"hello\noutput"
    assert records(control) == [
        Record(6, 1_500_000, 0, MESSAGES, Kind.DATA),
        Record(12, 2_250_000, 7, STDOUT, Kind.DATA),
        Record(12, 3_000_000, 7, STDOUT, Kind.CLOSE_STAGE),
        Record(12, 4_000_000, 0, MESSAGES, Kind.CLOSE_MESSAGES),
        Record(12, 5_000_000, 0, MESSAGES, Kind.FINAL),
    ]
    raw.close()
    os.close(pipe)


def test_big_output_comes_in_several_splices(control: ControlDir) -> None:
    """A pipe that is larger than one splice is emptied by repeating it."""
    raw = RawLog.open(control)
    pipe = fifo(control)
    data = os.urandom(40_000)
    sizes = []
    for start in range(0, len(data), 8192):
        os.write(pipe, data[start : start + 8192])
        sizes.append(raw.splice(pipe, STDERR, 1, 1.0))
    assert sizes == [8192, 8192, 8192, 8192, 7232]
    assert control.raw_log.read_bytes() == data
    assert raw.size == 40_000
    assert max(sizes) <= SPLICE_SIZE
    raw.close()
    os.close(pipe)


def test_what_cannot_be_spliced_is_copied(control: ControlDir) -> None:
    """Where splice(2) refuses, as from a regular file, bytes are read and written."""
    source = control.path / "source"
    source.write_bytes(b"not a pipe")
    raw = RawLog.open(control)
    with source.open("rb") as file:
        assert raw.splice(file.fileno(), STDOUT, 1, 1.0) == 10
        assert raw.splice(file.fileno(), STDOUT, 1, 1.0) == 0
    assert control.raw_log.read_bytes() == b"not a pipe"
    assert [record.end for record in records(control)] == [10]
    raw.close()


def test_reopening_goes_on(control: ControlDir) -> None:
    """Counts, closed stages and the end survive; messages and ends of their writer count alike."""
    raw = RawLog.open(control)
    raw.append_message(b"one", 1.0)
    raw.append_message(b"", 1.0)
    raw.close_messages(1.0)
    raw.close_stage(3, 1.0)
    raw.close()
    raw = RawLog.open(control)
    assert (raw.message_count, raw.size, raw.finished) == (3, 3, False)
    raw.close_stage(3, 2.0)
    raw.finish(2.0)
    raw.close()
    raw = RawLog.open(control)
    assert raw.finished
    raw.finish(3.0)
    assert len(records(control)) == 5
    with pytest.raises(JobDirError, match="complete"):
        raw.append_message(b"late", 4.0)
    raw.close()


def test_an_unfinished_message_is_cut_off(control: ControlDir) -> None:
    """Bytes of a message without a record go: its author writes it again."""
    raw = RawLog.open(control)
    raw.append_message(b"whole\n", 1.0)
    raw.close()
    with control.raw_log.open("ab") as file:
        file.write(b"half a mess")
    raw = RawLog.open(control)
    assert raw.message_count == 1
    assert control.raw_log.read_bytes() == b"whole\n"
    raw.close()


def test_output_without_a_record_gets_one(control: ControlDir) -> None:
    """Bytes that were spliced exist nowhere else; the hint names their stream, the file their time."""
    raw = RawLog.open(control)
    pipe = fifo(control)
    os.write(pipe, b"first")
    raw.splice(pipe, STDERR, 4, 1.0)
    raw.close()
    with control.raw_log.open("ab") as file:
        file.write(b" second")
    os.utime(control.raw_log, ns=(0, 5_000_000_000))
    RawLog.open(control).close()
    assert records(control) == [
        Record(5, 1_000_000, 4, STDERR, Kind.DATA),
        Record(12, 5_000_000, 4, STDERR, Kind.DATA),
    ]
    os.close(pipe)


def test_half_a_record_is_none(control: ControlDir) -> None:
    """An index that ends within a record is cut before it."""
    raw = RawLog.open(control)
    raw.append_message(b"one", 1.0)
    raw.append_message(b"two", 1.0)
    raw.close()
    os.truncate(control.raw_index, HEADER.size + 2 * RECORD.size - 1)
    raw = RawLog.open(control)
    assert raw.message_count == 1
    assert control.raw_index.stat().st_size == HEADER.size + RECORD.size
    assert control.raw_log.read_bytes() == b"one"
    raw.close()


def test_records_whose_bytes_are_gone(control: ControlDir) -> None:
    """After a power cut the index may know more than the log holds; such records are dropped."""
    raw = RawLog.open(control)
    for text in (b"one", b"two", b"three"):
        raw.append_message(text, 1.0)
    raw.close()
    os.truncate(control.raw_log, 5)
    raw = RawLog.open(control)
    assert raw.message_count == 1
    assert control.raw_log.read_bytes() == b"one"
    raw.append_message(b"2", 2.0)
    raw.close()
    assert [record.end for record in records(control)] == [3, 4]


def test_an_index_cut_within_its_header(control: ControlDir) -> None:
    """Without a whole header nothing had been written yet."""
    control.raw_index.write_bytes(b"PYRAW")
    raw = RawLog.open(control)
    raw.append_message(b"one", 1.0)
    raw.close()
    assert len(records(control)) == 1


@pytest.mark.parametrize("header", [b"GARBAGE!" + bytes(8), HEADER.pack(b"PYRAWIDX", 99, 0, 0)])
def test_foreign_files_are_left_alone(control: ControlDir, header: bytes) -> None:
    """An index of another kind or version is refused, not repaired."""
    control.raw_index.write_bytes(header)
    control.raw_log.write_bytes(b"something")
    with pytest.raises(JobDirError, match=r"raw\.idx"):
        RawLog.open(control)
    assert control.raw_log.read_bytes() == b"something"
    assert control.raw_index.read_bytes() == header


def test_a_full_disk_leaves_output_in_the_pipe(control: ControlDir) -> None:
    """What finds no room stays in the pipe and comes when there is room again."""
    raw = RawLog.open(control)
    pipe = fifo(control)
    os.write(pipe, bytes(range(250)) * 4)

    def drain() -> None:
        while raw.splice(pipe, STDOUT, 1, 1.0):
            pass

    with file_size_limit(600), pytest.raises(DiskFull, match="free disk space"):
        drain()
    drain()
    assert control.raw_log.read_bytes() == bytes(range(250)) * 4
    assert records(control)[-1].end == 1000
    raw.close()
    os.close(pipe)


def test_a_full_disk_between_output_and_its_record(control: ControlDir) -> None:
    """Moved output keeps its place and gets its record with the next call; so it does after a kill."""
    for killed in (False, True):
        folder = ControlDir(control.path / str(killed))
        folder.create()
        raw = RawLog.open(folder)
        pipe = fifo(folder)
        for _ in range(10):
            raw.append_message(b".", 1.0)
        os.write(pipe, b"output")
        with file_size_limit(HEADER.size + 10 * RECORD.size + 4), pytest.raises(DiskFull):
            raw.splice(pipe, STDOUT, 1, 2.0)
        if killed:
            raw.close()
            raw = RawLog.open(folder)
        raw.append_message(b"after", 3.0)
        raw.close()
        os.close(pipe)
        assert folder.raw_log.read_bytes() == b"." * 10 + b"output" + b"after"
        assert [(one.end, one.stream) for one in records(folder)[10:]] == [(16, STDOUT), (21, MESSAGES)]


def test_a_full_disk_adds_no_part_of_a_message(control: ControlDir) -> None:
    """A message is in whole or not at all."""
    raw = RawLog.open(control)
    raw.append_message(b"one", 1.0)
    with file_size_limit(100), pytest.raises(DiskFull):
        raw.append_message(b"x" * 200, 2.0)
    assert (raw.message_count, raw.size, control.raw_log.read_bytes()) == (1, 3, b"one")
    raw.append_message(b"two", 3.0)
    assert control.raw_log.read_bytes() == b"onetwo"
    raw.sync()
    raw.close()


def test_a_stage_that_speaks_again_can_be_closed_again(control: ControlDir) -> None:
    """Output after the end of a stage opens its writers anew, so a second end counts."""
    raw = RawLog.open(control)
    pipe = fifo(control)
    raw.close_stage(1, 1.0)
    os.write(pipe, b"more")
    raw.splice(pipe, STDOUT, 1, 2.0)
    raw.close()
    raw = RawLog.open(control)
    raw.close_stage(1, 3.0)
    assert [one.kind for one in records(control)] == [Kind.CLOSE_STAGE, Kind.DATA, Kind.CLOSE_STAGE]
    raw.close()
    os.close(pipe)
