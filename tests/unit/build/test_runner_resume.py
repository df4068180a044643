"""A walk that is begun anew on its journal cannot be told from one that never was killed (design R4, R6)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyrunner.build.context import BuildContext
from pyrunner.errors import PyrunnerError
from pyrunner.executors.base import ExitKind, Stop, StopKind
from tests.support.contexts import build_context, payload, variable
from tests.support.walk import End, Killed, Life, World
from tests.unit.build.test_runner import FULL, STEPS

#: Settings of a job, and what happens to it.
CASES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "success": ({}, {}),
    "script fails": ({}, {"ends": {"step_script": [End(3)], "after_script": [End(7)]}}),
    "script vanishes": ({}, {"ends": {"step_script": [End(kind=ExitKind.VANISHED)]}}),
    "prepare script fails": ({}, {"ends": {"prepare_script": [End(1)]}}),
    "sources are tried again": (
        {"GET_SOURCES_ATTEMPTS": "3"},
        {"ends": {"get_sources": [End(1), End(1)], "clear_worktree": [End(1)]}},
    ),
    "sources vanish": ({}, {"ends": {"get_sources": [End(kind=ExitKind.VANISHED)]}}),
    "executor is tried again": ({}, {"preparations": ["busy", "busy"]}),
    "executor fails": ({}, {"preparations": ["a", "b", "c"]}),
    "script timeout": (
        {"RUNNER_SCRIPT_TIMEOUT": "1m"},
        {"ends": {"step_script": [End(gives=Stop(StopKind.TIMEOUT, "script"))]}},
    ),
    "job timeout": ({}, {"ends": {"get_sources": [End(gives=Stop(StopKind.TIMEOUT, "job"))]}}),
    "cancel in script": ({}, {"ends": {"step_script": [End(gives=Stop(StopKind.CANCEL))]}}),
    "cancel in sources": ({}, {"ends": {"get_sources": [End(gives=Stop(StopKind.CANCEL))]}}),
    "abort in script": ({}, {"ends": {"step_script": [End(gives=Stop(StopKind.ABORT))]}}),
    "warnings": ({"GIT_STRATEGY": "bogus", "RUNNER_SCRIPT_TIMEOUT": "soon"}, {}),
}


def make(folder: Path, context: BuildContext, events: dict[str, Any]) -> World:
    """Return a fresh world of a case."""
    events = {**events, "preparations": [PyrunnerError(text) for text in events.get("preparations", [])]}
    return World.make(folder, context, **events)


def context_of(case: str) -> BuildContext:
    """Return the context of a case's job; one has something to do in every stage."""
    sent = [variable(key, value) for key, value in CASES[case][0].items()]
    return build_context(job=payload(variables=sent, **(FULL if case == "success" else {"steps": STEPS})))


@pytest.mark.parametrize("case", CASES)
def test_killed_at_any_step(tmp_path: Path, case: str) -> None:
    """Same lines, same result; a user's script is started once, whatever is killed and when."""
    context, events = context_of(case), CASES[case][1]
    whole = make(tmp_path / "whole", context, events)
    life = Life()
    result = whole.walk(life)
    assert life.steps > 10
    for place in range(1, life.steps + 1):
        world = make(tmp_path / str(place), context, events)
        with pytest.raises(Killed):
            world.walk(Life(ends_at=place))
        assert world.walk() == result, f"killed at step {place}"
        assert world.output == whole.output, f"killed at step {place}"
        for script in ("step_script", "after_script"):
            assert world.ran.count(script) == whole.ran.count(script)
        assert world.statuses == whole.statuses
        world.close()
    whole.close()


@pytest.mark.parametrize("case", ["success", "sources are tried again", "cancel in script"])
def test_killed_again_and_again(tmp_path: Path, case: str) -> None:
    """Each supervisor comes a few steps further; the job ends as if there had been one."""
    context, events = context_of(case), CASES[case][1]
    whole = make(tmp_path / "whole", context, events)
    result = whole.walk()
    world = make(tmp_path / "world", context, events)
    for steps in range(1, 1000):
        try:
            assert world.walk(Life(ends_at=steps)) == result
            break
        except Killed:
            continue
    assert world.output == whole.output
    assert world.ran.count("step_script") == whole.ran.count("step_script")
    world.close()
    whole.close()


def test_a_finished_walk_repeats_itself(tmp_path: Path) -> None:
    """A supervisor that finds all steps recorded runs none, and comes to the same end."""
    world = make(tmp_path, context_of("success"), {"ends": {"step_script": [End(3)]}})
    result = world.walk()
    ran, output = list(world.ran), world.output
    assert world.walk() == result
    assert (world.ran, world.output) == (ran, output)
    world.close()


def test_time_goes_on_while_nobody_watches(tmp_path: Path) -> None:
    """Deadlines count from the first start: a restarted supervisor gets them from the journal."""
    world = make(tmp_path, context_of("success"), {})
    with pytest.raises(Killed):
        world.walk(Life(ends_at=25))
    before = {one.name: one.give_up_at for one in world.requests}
    world.walk()
    # The wrapper's patience is that of the job, in every stage of every supervisor.
    assert before
    assert {one.give_up_at for one in world.requests} == set(before.values())
    world.close()


def test_a_newer_version_has_one_line_more(tmp_path: Path) -> None:
    """What it would say before the point that its predecessor had reached is left out (R6)."""
    whole = make(tmp_path / "whole", context_of("success"), {})
    whole.walk()
    for place in range(20, 60, 5):
        world = make(tmp_path / str(place), context_of("success"), {})
        with pytest.raises(Killed):
            world.walk(Life(ends_at=place))
        world.context = replace(world.context, setting_warnings=["one line more"])
        world.walk()
        assert world.output == whole.output, f"killed at step {place}"
        world.close()
    whole.close()


def test_what_has_stopped_a_job_stays_the_reason(tmp_path: Path) -> None:
    """A supervisor that was killed after it saw a cancel has decided; what comes later changes nothing."""
    cancel = Stop(StopKind.CANCEL)
    whole = make(tmp_path / "whole", context_of("success"), {"given": [cancel]})
    life = Life()
    result = whole.walk(life)
    world = make(tmp_path / "world", context_of("success"), {"given": [cancel]})
    with pytest.raises(Killed):
        world.walk(Life(ends_at=life.steps))
    world.given = [Stop(StopKind.INTERRUPT, "terminated"), cancel]
    assert world.walk() == result
    assert world.output == whole.output
    whole.close()
    world.close()


def test_a_further_line_right_before_a_stage_that_runs(tmp_path: Path) -> None:
    """A stage that was begun is attached to where its section stands, not one line further."""
    whole = make(tmp_path / "whole", context_of("success"), {})
    life = Life()
    whole.walk(life)
    seen = 0
    for place in range(1, life.steps):
        world = make(tmp_path / str(place), context_of("success"), {})
        with pytest.raises(Killed):
            world.walk(Life(ends_at=place))
        if "step_script" in (one["name"] for one in world.begun()):
            seen += 1
            warning = replace(context_of("warnings"), setting_warnings=[])
            world.context = replace(world.context, variables=warning.variables)
            world.walk()
            assert world.output == whole.output, f"killed at step {place}"
        world.close()
    whole.close()
    assert seen
