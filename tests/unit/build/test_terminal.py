"""A job's terminal as its supervisor sees it (job-execution.md 1.1 step 13)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyrunner.build.context import BuildContext
from pyrunner.build.terminal import terminal_script
from pyrunner.executors.base import Stop, StopKind
from pyrunner.jobdir.record import SessionData
from pyrunner.jobdir.terminal import TerminalPlan
from pyrunner.system.lock import OpenFileLock
from tests.support.contexts import build_context, payload, variable
from tests.support.walk import End, Killed, Life, World


def context_with_session(timeout: float = 1800.0, **changes: Any) -> BuildContext:
    """Return the context of a job that was offered a session."""
    context = build_context(job=payload(**changes))
    session = SessionData("/session/" + "0" * 64, "token", timeout)
    return replace(context, record=replace(context.record, session=session))


def connected(folder: Path, timeout: float = 1800.0, **events: Any) -> World:
    """Return a world in which a terminal is connected until the first pause."""
    world = World.make(folder, context_with_session(timeout), **events)
    world.terminal = OpenFileLock.take(world.control.terminal_lock)
    return world


def lines_of(world: World) -> list[str]:
    return [line for line in world.output.splitlines() if "erminal" in line]


def test_without_a_session_nothing_is_offered(tmp_path: Path) -> None:
    """No server, no terminal: no file with the job's variables is written."""
    world = World.make(tmp_path, build_context())
    assert world.walk().state == "success"
    assert list(tmp_path.glob("terminal*")) == []
    world.close()


def test_with_nobody_connected_the_job_ends(tmp_path: Path) -> None:
    """The plan goes with the job's end, and no terminal can come any more."""
    world = World.make(tmp_path, context_with_session())
    life = Life(ends_at=12)
    with pytest.raises(Killed):
        world.walk(life)
    assert "export" in TerminalPlan.load(world.control.terminal).script
    assert world.walk().state == "success"
    assert not world.control.terminal.exists()
    assert world.control.terminal_closed.exists()
    assert lines_of(world) == []
    world.close()


def test_a_connected_terminal_is_waited_for(tmp_path: Path) -> None:
    """Both lines are upstream's, green; the waiting ends with the connection."""
    world = connected(tmp_path)
    assert world.walk().state == "success"
    assert [line.removeprefix("\x1b[0K") for line in lines_of(world)] == [
        "\x1b[32;1mTerminal is connected, will time out in 30m0s...\x1b[0;m",
        "\x1b[32;1mTerminal disconnected\x1b[0;m",
    ]
    assert len(world.pauses) == 1
    world.close()


def test_a_failed_job_waits_as_well(tmp_path: Path) -> None:
    """That is when a terminal is wanted; the job's result stays what it was."""
    world = connected(tmp_path, ends={"step_script": [End(3)]})
    result = world.walk()
    assert (result.state, result.exit_code) == ("failed", 3)
    assert len(lines_of(world)) == 2
    world.close()


def test_the_time_runs_out(tmp_path: Path) -> None:
    """``session_timeout`` ends the waiting, though the terminal is connected still."""
    world = connected(tmp_path, timeout=0.0)
    world.terminal_pauses = 1000
    assert world.walk().state == "success"
    assert "terminal session timed out (maximum time allowed - 0s)" in lines_of(world)[1]
    assert world.control.terminal_closed.exists()
    world.close()


def test_never_beyond_the_job_timeout(tmp_path: Path) -> None:
    """What is left of the job's own time is the most."""
    world = World.make(tmp_path, context_with_session(10**6, runner_info={"timeout": 600}))
    world.terminal = OpenFileLock.take(world.control.terminal_lock)
    world.walk()
    assert "will time out in 10m0s..." in lines_of(world)[0]
    world.close()


@pytest.mark.parametrize("kind", [StopKind.ABORT, StopKind.INTERRUPT])
def test_a_stopped_job_does_not_wait(tmp_path: Path, kind: StopKind) -> None:
    """Its terminal is closed, and nothing is said."""
    world = connected(tmp_path, ends={"step_script": [End(gives=Stop(kind))]})
    assert world.walk().state == "failed"
    assert lines_of(world) == []
    assert world.control.terminal_closed.exists()
    assert world.pauses == []
    world.close()


def test_killed_at_any_step(tmp_path: Path) -> None:
    """A supervisor that is started again waits on, and says nothing twice."""
    whole = connected(tmp_path / "whole")
    life = Life()
    result = whole.walk(life)
    for place in range(1, life.steps + 1):
        world = connected(tmp_path / str(place))
        with pytest.raises(Killed):
            world.walk(Life(ends_at=place))
        assert world.walk() == result, f"killed at step {place}"
        assert world.output == whole.output, f"killed at step {place}"
        world.close()
    whole.close()


def test_what_a_shell_evaluates_first() -> None:
    """The job's variables, quoted; of file variables the path alone; then the folder, if it is there."""
    sent = [
        variable("COLOUR", "it's blue"),
        {"key": "KEY", "value": "content-of-the-file", "file": True},
    ]
    script = terminal_script(build_context(job=payload(variables=sent)))
    assert "export COLOUR=$'it\\'s blue'" in script
    assert "export KEY=" in script
    assert "content-of-the-file" not in script
    assert "if [ -d " in script
    assert "set -" not in script
