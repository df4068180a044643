"""Giving up calls from another thread."""

from __future__ import annotations

from pyrunner.gitlab.cancel import Cancellation


def test_callbacks_run_once_and_only_while_registered() -> None:
    """A call registers for as long as it lasts; one that comes after the stop is told at once."""
    stop, seen = Cancellation(), list[str]()
    stop.on_set(lambda: seen.append("stays"))
    undo = stop.on_set(lambda: seen.append("left before"))
    undo()
    assert not stop.is_set()
    assert not stop.wait(0)
    stop.set()
    stop.on_set(lambda: seen.append("late"))
    assert seen == ["stays", "late"]
    assert stop.is_set()
    assert stop.wait(None)
