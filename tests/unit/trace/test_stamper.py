"""Lines get their time and stream (job-execution.md 6.3)."""

from __future__ import annotations

from pyrunner.trace import lines
from pyrunner.trace.rawlog import MESSAGES, SERVICES, STDERR, STDOUT
from pyrunner.trace.stamper import Stamper

#: 2026-01-02T03:04:05.000000Z in microseconds.
START = 1767323045_000_000


def test_example_of_the_specification() -> None:
    """Section markers are lines of their own; what follows them continues them."""
    stamper = Stamper(MESSAGES)
    now = START / 1_000_000
    writes = [
        (1, lines.section_start("prepare_executor", now)),
        (9, lines.section_title('Preparing the "shell" executor')),
        (20, lines.plain("Using Shell (bash) executor...")),
        (31, lines.section_end("prepare_executor", now)),
        (40, lines.section_start("prepare_script", now)),
        (48, lines.section_title("Preparing environment")),
    ]
    out = b"".join(stamper.feed(data, START + offset) for offset, data in writes)
    assert out.decode().split("\n") == [
        "2026-01-02T03:04:05.000001Z 00O section_start:1767323045:prepare_executor\r\x1b[0K",
        '2026-01-02T03:04:05.000009Z 00O+\x1b[0K\x1b[36;1mPreparing the "shell" executor\x1b[0;m\x1b[0;m',
        "2026-01-02T03:04:05.000020Z 00O \x1b[0KUsing Shell (bash) executor...\x1b[0;m",
        "2026-01-02T03:04:05.000031Z 00O section_end:1767323045:prepare_executor\r\x1b[0K",
        "2026-01-02T03:04:05.000040Z 00O+section_start:1767323045:prepare_script\r\x1b[0K",
        "2026-01-02T03:04:05.000048Z 00O+\x1b[0K\x1b[36;1mPreparing environment\x1b[0;m\x1b[0;m",
        "",
    ]


def test_header_has_32_bytes_and_names_the_stream() -> None:
    """Messages are 00O, a script's output 01O, its errors 01E, services 0fO."""
    for stream, name in ((MESSAGES, b"00O"), (STDOUT, b"01O"), (STDERR, b"01E"), (SERVICES, b"0fO")):
        line = Stamper(stream).feed(b"x\n", START)
        assert line == b"2026-01-02T03:04:05.000000Z " + name + b" x\n"
        assert line.index(b"x") == 32


def test_a_line_keeps_the_time_of_its_first_byte() -> None:
    """A line that comes in pieces has the time of the first; the lines after it that of their own write."""
    stamper = Stamper(STDOUT)
    assert stamper.feed(b"one ", START) == b""
    assert stamper.feed(b"line", START + 1_000_000) == b""
    assert stamper.feed(b"\ntwo\n\nthree", START + 2_000_000) == (
        b"2026-01-02T03:04:05.000000Z 01O one line\n"
        b"2026-01-02T03:04:07.000000Z 01O two\n"
        b"2026-01-02T03:04:07.000000Z 01O \n"
    )
    assert stamper.close() == b"2026-01-02T03:04:07.000000Z 01O three\n"


def test_carriage_returns_flush_the_whole_write() -> None:
    """A progress bar shows as it moves; its end continues it (6.3 rule 2)."""
    stamper = Stamper(STDOUT)
    head = b"2026-01-02T03:04:05.000000Z 01O"
    assert stamper.feed(b"bar: ", START) == b""
    assert stamper.feed(b".\r..", START) == head + b" bar: .\r..\n"
    assert stamper.feed(b".\r", START) == head + b"+.\r\n"
    assert stamper.feed(b"done\r\n", START) == head + b"+done\r\n"
    assert stamper.feed(b"next\r\n", START) == head + b" next\r\n"


def test_long_lines_are_flushed_beyond_8192_bytes() -> None:
    """8192 bytes with the header are kept; one more and all is written, to be continued (rule 3)."""
    head = b"2026-01-02T03:04:05.000000Z 01O"
    stamper = Stamper(STDOUT)
    assert stamper.feed(b"x" * 8000, START) == b""
    assert stamper.feed(b"y" * 160, START) == b""
    assert stamper.feed(b"z", START) == head + b" " + b"x" * 8000 + b"y" * 160 + b"z\n"
    assert stamper.feed(b"v" * 8192, START) == b""
    assert stamper.feed(b"\n", START) == head + b"+" + b"v" * 8192 + b"\n"
    assert stamper.feed(b"w" * 8193, START) == head + b" " + b"w" * 8193 + b"\n"
    assert stamper.feed(b"end\n", START) == head + b"+end\n"


def test_close_ends_the_line_once() -> None:
    """Closing flushes with a newline; a second close adds nothing (rule 4)."""
    stamper = Stamper(STDOUT)
    stamper.feed(b"no newline", START)
    assert stamper.close().endswith(b" no newline\n")
    assert stamper.close() == b""
