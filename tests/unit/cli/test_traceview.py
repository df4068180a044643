"""A trace for people."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.cli.traceview import TraceView

STAMP = b"2026-01-02T03:04:05.678901Z 01O "
TRACE = (
    b"2026-01-02T03:04:05.678901Z 00O \x1b[0KRunning with pyrunner\x1b[0;m\n"
    b"2026-01-02T03:04:05.678901Z 00O section_start:1700000000:get_sources\r\x1b[0K\n"
    b"2026-01-02T03:04:05.678901Z 00O+\x1b[0K\x1b[36;1mGetting source\x1b[0;m\x1b[0;m\n"
    b"2026-01-02T03:04:05.678901Z 01O hello\n"
    b"2026-01-02T03:04:05.678901Z 01E \n"
    b"2026-01-02T03:04:05.678901Z 00O section_end:1700000000:get_sources\r\x1b[0K\n"
    b"2026-01-02T03:04:05.678901Z 00O+last"
)
SHOWN = [
    b"Running with pyrunner\x1b[0;m",
    b"\x1b[36;1mGetting source\x1b[0;m\x1b[0;m",
    b"hello",
    b"",
    b"last",
]


def shown(*pieces: bytes, prefix: str = "") -> list[bytes]:
    """Return all lines of a trace that arrives in pieces."""
    view = TraceView(prefix)
    lines = [line for piece in pieces for line in view.feed(piece)]
    return lines + view.close() + view.close()


def test_stamps_and_markers_are_off() -> None:
    """What is left is what a terminal should show; a line that was nothing but a marker is gone."""
    assert shown(TRACE) == SHOWN


@given(st.lists(st.integers(0, len(TRACE)), max_size=6))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    """A trace arrives in whatever pieces it is sent."""
    places = [0, *sorted(cuts), len(TRACE)]
    assert shown(*(TRACE[one:other] for one, other in pairwise(places))) == SHOWN


def test_the_jobs_name_stands_before_each_line() -> None:
    """Also before a last line without its end."""
    assert shown(b"a\n\nb", prefix="test | ") == [b"test | a", b"test | ", b"test | b"]


def test_a_line_is_shown_when_it_is_whole() -> None:
    """Never in parts."""
    view = TraceView("")
    assert view.feed(STAMP + b"hel") == []
    assert view.feed(b"lo\nwor") == [b"hello"]
    assert view.close() == [b"wor"]


@pytest.mark.parametrize(
    "line",
    [
        b"2026-01-02 03:04:05 something of the job's",
        b"2026-01-02T03:04:05.678901Z",
        b"2026-01-02T03:04:05.678901Z zzO x",
        b"section_start: not a marker",
        b"\xff\xfe",
    ],
)
def test_what_only_looks_alike_is_kept(line: bytes) -> None:
    """Jobs print what they like, and without FF_TIMESTAMPS no line has a header."""
    assert shown(line + b"\n") == [line]


def test_a_script_section_keeps_its_line() -> None:
    """Markers within a line go, the text of it stays."""
    line = STAMP + b"section_start:1700000000:own[collapsed=true]\r\x1b[0K\x1b[32;1m$ make\x1b[0;m\n"
    assert shown(line) == [b"\x1b[32;1m$ make\x1b[0;m"]
