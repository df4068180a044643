"""A job's log, line by line, while it grows; and what of it reaches a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.cli.joblog import JobLog, LogLine, has_ended, parse_line
from pyrunner.cli.terminal_text import harmless
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobResult, Journal

TIME = "2026-11-21T09:31:10.051618Z"


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        (f"{TIME} 01O hello".encode(), LogLine(b"hello", TIME, "stdout")),
        (f"{TIME} 01E+hello".encode(), LogLine(b"hello", TIME, "stderr")),
        (f"{TIME} 00O Job succeeded".encode(), LogLine(b"Job succeeded", TIME, "runner")),
        (f"{TIME} 0fO ready".encode(), LogLine(b"ready", TIME, "service")),
        (b"no header", LogLine(b"no header")),
        (f"{TIME} 00O section_start:1:x\r\x1b[0K".encode(), None),
        (f"{TIME} 00O section_start:1:x\r\x1b[0KTitle".encode(), LogLine(b"Title", TIME, "runner")),
        (b"50%\r", LogLine(b"50%")),
        (b"", LogLine(b"")),
    ],
)
def test_lines(line: bytes, parsed: LogLine | None) -> None:
    """Headers are told apart, section markers left out."""
    assert parse_line(line) == parsed


def test_a_log_that_grows(tmp_path: Path) -> None:
    """Whole lines as they come; the last one when nothing follows."""
    log = JobLog(tmp_path / "log")
    assert list(log.read()) == []
    (tmp_path / "log").write_bytes(b"a\nb")
    assert list(log.read()) == [b"a"]
    with (tmp_path / "log").open("ab") as file:
        file.write(b"b\nc")
    assert list(log.read()) == [b"bb"]
    assert list(log.close()) == [b"c"]
    assert list(log.close()) == []


@pytest.mark.parametrize(
    ("content", "lines", "shown"),
    [
        (b"a\nb\nc\n", 2, [b"b", b"c"]),
        (b"a\nb\nc", 2, [b"b"]),
        (b"a\nb\n", 5, [b"a", b"b"]),
        (b"a\nb\n", 0, []),
        (b"", 3, []),
        (b"x" * 400_000 + b"\nlast\n", 1, [b"last"]),
        (b"x\n" * 300_000 + b"last\n", 200_001, [b"x"] * 200_000 + [b"last"]),
    ],
)
def test_the_last_lines(tmp_path: Path, content: bytes, lines: int, shown: list[bytes]) -> None:
    """So many, in logs of any length; one without an end counts, and comes with the close."""
    (tmp_path / "log").write_bytes(content)
    log = JobLog(tmp_path / "log")
    log.skip_to_last(lines)
    assert list(log.read()) == shown


def test_a_line_without_end(tmp_path: Path) -> None:
    """Is not gathered for ever."""
    (tmp_path / "log").write_bytes(b"x" * 1_000_000)
    log = JobLog(tmp_path / "log")
    parts = list(log.read())
    assert len(parts) > 1
    assert b"".join([*parts, *log.close()]) == b"x" * 1_000_000


def test_the_end(tmp_path: Path) -> None:
    """A job has ended with its journal, its folder, or when nobody can read the journal."""
    control = ControlDir(tmp_path / "17")
    assert has_ended(control)
    control.create()
    assert not has_ended(control)
    journal = Journal.open(control.state)
    journal.store()
    assert not has_ended(control)
    journal.record.phase, journal.record.result = "finished", JobResult("success")
    journal.store()
    assert has_ended(control)
    control.state.write_text("{")
    assert has_ended(control)


@pytest.mark.parametrize(
    ("data", "coloured", "plain"),
    [
        (b"plain \xc3\xa4\t|", "plain ä\t|", "plain ä\t|"),
        (b"\x1b[31;1mred\x1b[0m", "\x1b[31;1mred\x1b[0m\x1b[0m", "red"),
        (b"\x1b[2J\x1b[Hgone", "gone", "gone"),
        (b"\x1b]0;title\x07text", "text", "text"),
        (b"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link", "link"),
        (b"\x1bPq never ends", "", ""),
        (b"a\x08\x0d\x00b\xc2\x9b2Jc\x7f", "abc", "abc"),
        (b"\x1b(0x\x1bcy", "xy", "xy"),
        ("\u202egpj.exe".encode(), "gpj.exe", "gpj.exe"),
        (b"\xff", "\ufffd", "\ufffd"),
        (b"\x1b", "", ""),
    ],
)
def test_terminals_are_not_steered(data: bytes, coloured: str, plain: str) -> None:
    """Colours may stay and are reset; everything else that a terminal acts on goes."""
    assert harmless(data, colours=True) == coloured
    assert harmless(data, colours=False) == plain
