"""What the raw log holds of a writer beside the stages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.jobdir.control import ControlDir
from pyrunner.trace.rawlog import SERVICES, STDOUT, RawLog
from pyrunner.trace.sideoutput import FIRST_SIDE_NUMBER, free_side_number, output_tail, side_number


@pytest.fixture
def control(tmp_path: Path) -> ControlDir:
    """A control directory."""
    control = ControlDir(tmp_path / "job")
    control.create()
    return control


@pytest.fixture
def raw_log(control: ControlDir) -> Iterator[RawLog]:
    """Its raw log."""
    log = RawLog.open(control)
    yield log
    log.close()


def put(log: RawLog, data: bytes, number: int, stream: int = SERVICES) -> None:
    """Splice ``data`` as one record."""
    ours, theirs = os.pipe2(os.O_NONBLOCK)
    try:
        os.write(theirs, data)
        assert log.splice(ours, stream, number, 1.0) == len(data)
    finally:
        os.close(ours)
        os.close(theirs)


def test_numbers_are_beside_those_of_stages(control: ControlDir, raw_log: RawLog) -> None:
    """The first free number is behind all that have written, and never a stage's."""
    assert free_side_number(control) == FIRST_SIDE_NUMBER
    put(raw_log, b"stage", 12, STDOUT)
    assert free_side_number(control) == FIRST_SIDE_NUMBER
    put(raw_log, b"side", FIRST_SIDE_NUMBER + 2)
    put(raw_log, b"stage", 13, STDOUT)
    assert free_side_number(control) == FIRST_SIDE_NUMBER + 3
    assert side_number(FIRST_SIDE_NUMBER, 3) == FIRST_SIDE_NUMBER + 3
    assert side_number(FIRST_SIDE_NUMBER, 70_000) == 0xFFFF


def test_the_tail_is_one_writers_alone(control: ControlDir, raw_log: RawLog) -> None:
    """Output of others, messages and marks in between are not part of it."""
    put(raw_log, b"one ", FIRST_SIDE_NUMBER)
    put(raw_log, b"other", FIRST_SIDE_NUMBER + 1)
    raw_log.append_message(b"ours\n", 1.0)
    put(raw_log, b"two", FIRST_SIDE_NUMBER)
    raw_log.close_stage(FIRST_SIDE_NUMBER, 1.0)
    assert output_tail(control, FIRST_SIDE_NUMBER, 100) == (b"one two", True)
    assert output_tail(control, FIRST_SIDE_NUMBER + 2, 100) == (b"", True)


def test_of_much_output_only_the_end_is_read(control: ControlDir, raw_log: RawLog) -> None:
    """Whole records from the end, at least one, and it is told that there was more."""
    for number in range(10):
        put(raw_log, b"%d" % number * 10, FIRST_SIDE_NUMBER)
    tail, whole = output_tail(control, FIRST_SIDE_NUMBER, 25)
    assert (tail, whole) == (b"8" * 10 + b"9" * 10, False)
    assert output_tail(control, FIRST_SIDE_NUMBER, 1) == (b"9" * 10, False)
