"""Our own lines, written once each however often a supervisor is started again (design R6)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyrunner.build.jobtrace import JobTrace
from pyrunner.jobdir.control import ControlDir
from pyrunner.trace.rawlog import RawLog


def walk(control: ControlDir, act: Callable[[JobTrace], None], sections: bool = True) -> bytes:
    """Be one supervisor: open the log, act, close it; return what the log holds then."""
    raw_log = RawLog.open(control)
    try:
        act(JobTrace(raw_log, sections, lambda: 1700000000.9))
    finally:
        raw_log.close()
    return control.raw_log.read_bytes()


@pytest.fixture
def control(tmp_path: Path) -> ControlDir:
    """A control directory."""
    made = ControlDir(tmp_path)
    made.create()
    return made


def test_kinds_of_lines(control: ControlDir) -> None:
    """Colours and words are gitlab-runner's (job-execution.md 6.1)."""

    def act(trace: JobTrace) -> None:
        trace.plain("a")
        trace.info("b")
        trace.warning("c")
        trace.error("d")

    assert walk(control, act) == (
        b"\x1b[0Ka\x1b[0;m\n\x1b[32;1mb\x1b[0;m\n\x1b[0;33mWARNING: c\x1b[0;m\n\x1b[31;1mERROR: d\x1b[0;m\n"
    )


def test_a_section(control: ControlDir) -> None:
    """Markers without newline, whole seconds, the title as first line."""

    def act(trace: JobTrace) -> None:
        with trace.section("get_sources", "Getting source"):
            trace.plain("x")

    assert walk(control, act) == (
        b"section_start:1700000000:get_sources\r\x1b[0K\x1b[0K\x1b[36;1mGetting source\x1b[0;m\x1b[0;m\n"
        b"\x1b[0Kx\x1b[0;m\nsection_end:1700000000:get_sources\r\x1b[0K"
    )


def test_a_section_ends_also_when_its_stage_fails(control: ControlDir) -> None:
    """An open section would swallow the rest of the log."""

    def act(trace: JobTrace) -> None:
        with pytest.raises(RuntimeError), trace.section("x", "X"):
            raise RuntimeError

    assert walk(control, act).endswith(b"section_end:1700000000:x\r\x1b[0K")


def test_no_markers_where_the_coordinator_has_no_sections(control: ControlDir) -> None:
    """The title stays."""

    def act(trace: JobTrace) -> None:
        with trace.section("x", "X"):
            pass

    assert walk(control, act, sections=False) == b"\x1b[0K\x1b[36;1mX\x1b[0;m\x1b[0;m\n"


def test_a_repeated_walk_adds_nothing(control: ControlDir) -> None:
    """What a former supervisor has written is skipped, ends of writers included."""
    states: list[tuple[bool, bool]] = []

    def act(trace: JobTrace) -> None:
        before = trace.replaying
        trace.plain("a")
        trace.close_writer()
        trace.plain("b")
        states.append((before, trace.replaying))

    first = walk(control, act)
    assert walk(control, act) == first
    assert states == [(False, False), (True, False)]


def test_a_walk_goes_on_where_it_was_left(control: ControlDir) -> None:
    """Only what is not there yet is written."""

    def lines(count: int) -> Callable[[JobTrace], None]:
        def act(trace: JobTrace) -> None:
            for number in range(count):
                trace.plain(str(number))

        return act

    walk(control, lines(2))
    assert walk(control, lines(4)).count(b"\n") == 4


def test_a_journaled_position_overrules_the_count(control: ControlDir) -> None:
    """A newer version with one line more before an entry must not shift what comes behind it."""

    def older(trace: JobTrace) -> None:
        trace.plain("a")
        trace.plain("b")

    def newer(trace: JobTrace) -> None:
        trace.plain("new")
        trace.plain("a")
        trace.resume_at(1)
        assert trace.replaying
        trace.plain("b")
        trace.plain("c")

    walk(control, older)
    assert walk(control, newer) == b"\x1b[0Ka\x1b[0;m\n\x1b[0Kb\x1b[0;m\n\x1b[0Kc\x1b[0;m\n"


def test_a_line_that_found_no_room_is_not_counted(
    control: ControlDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written when there is room again."""

    def act(trace: JobTrace) -> None:
        def refuse(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(RawLog, "append_message", refuse)
            with pytest.raises(OSError, match="No space"):
                trace.plain("a")
        assert trace.position == 0
        trace.plain("a")
        assert trace.position == 1

    assert walk(control, act) == b"\x1b[0Ka\x1b[0;m\n"
