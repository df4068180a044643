"""A trace for people: sections, continuations, and nothing that does more to a terminal than colour."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyrunner.cli.exec.joblog import JobLog, LogLine, harmless, plain

STAMP = "2026-01-02T03:04:05.678901Z "
TRACE = "\n".join(
    [
        STAMP + "00O \x1b[0KRunning with pyrunner\x1b[0;m",
        STAMP + "00O section_start:1700000000:step_script\r\x1b[0K",
        STAMP + '00O+\x1b[0K\x1b[36;1mExecuting "step_script"\x1b[0;m',
        STAMP + "01O $ make",
        STAMP + "01E warn",
        STAMP + "01O+ing on",
        STAMP + "00O section_end:1700000001:step_script\r\x1b[0K",
        STAMP + "00O+\x1b[0K\x1b[31;1mERROR: Job failed: exit status 2",
        STAMP + "\x1b[0;m",
        "",
    ]
)


def read(text: str) -> list[LogLine]:
    """Return the lines of a whole trace."""
    log = JobLog()
    return [*log.feed(text.encode()), *log.close()]


def test_lines_of_a_trace() -> None:
    """Stamps and markers go, a stream's continuation is joined to its line, sections are known."""
    lines = [(one.section, plain(one.text)) for one in read(TRACE)]
    assert lines[:6] == [
        ("", "Running with pyrunner"),
        ("step_script", 'Executing "step_script"'),
        ("step_script", "$ makeing on"),
        ("step_script", "warn"),
        ("", "ERROR: Job failed: exit status 2"),
        ("", STAMP),
    ]


def test_what_matters() -> None:
    """The user's own sections matter, without what the runner says in them, and errors wherever they are."""
    shown = [plain(one.text) for one in read(TRACE) if one.matters]
    assert shown == ["$ makeing on", "warn", "ERROR: Job failed: exit status 2"]


@given(st.text(max_size=200), st.integers(1, 50))
def test_cuts_do_not_matter(text: str, size: int) -> None:
    """However a trace without continuations is cut into pieces, the lines are the same."""
    data = text.encode()
    log = JobLog()
    pieces = [one for at in range(0, len(data), size) for one in log.feed(data[at : at + size])]
    assert [*pieces, *log.close()] == read(text)


@given(st.text(alphabet=st.sampled_from("\x1b[]0123456789;mHJKABCab\x07\r\x9b\x08\\"), max_size=60))
def test_nothing_moves_the_cursor(text: str) -> None:
    """What is left of a line are printable characters and colours."""
    left = harmless(text)
    rest = plain(left)
    assert all(one.isprintable() or one == "\t" for one in rest), repr(rest)


def test_progress_bars() -> None:
    """Of a line that was written over and over, the last state is shown."""
    assert harmless("10 %\r50 %\r100 %") == "100 %"
    assert harmless("done\r") == "done"
    assert harmless("\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m") == "\x1b[31mred\x1b[0m"
