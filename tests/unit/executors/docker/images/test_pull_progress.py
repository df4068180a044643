"""What long pulls say (docker-executor.md 3.2)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pyrunner.executors.docker.images.pull_progress import PullProgress

MIB = 1024 * 1024


class Clock:
    """Stands still until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def layer(name: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    """Return an event."""
    return {"id": name, "status": status, "progressDetail": {"current": current, "total": total}}


def progress() -> tuple[PullProgress, Clock]:
    """Return a pull that begins now."""
    clock = Clock()
    return PullProgress("ruby:3.3", clock), clock


def test_a_quick_pull_says_nothing() -> None:
    """The first line comes after five seconds."""
    pull, clock = progress()
    pull.event(layer("a", "Downloading", 1, 2))
    clock.now += 4.9
    assert pull.due() == ""
    clock.now += 0.2
    assert pull.due() == "Pulling ruby:3.3: 0 of 1 layers, 0 of 1 MiB"


def test_layers_and_bytes() -> None:
    """Layers that are complete, bytes that have come; what has come stays counted."""
    pull, clock = progress()
    pull.event({"id": "3.3", "status": "Pulling from library/ruby"})
    for name in ("a", "b", "c", "d"):
        pull.event({"id": name, "status": "Pulling fs layer", "progressDetail": {}})
    pull.event(layer("a", "Already exists"))
    pull.event(layer("b", "Downloading", 3 * MIB, 40 * MIB))
    pull.event(layer("b", "Download complete"))
    pull.event(layer("b", "Extracting", 5, 10))
    pull.event(layer("c", "Downloading", 1 * MIB, 80 * MIB))
    clock.now += 6
    assert pull.due() == "Pulling ruby:3.3: 1 of 4 layers, 41 of 120 MiB"


def test_only_news_is_told_ever_more_seldom() -> None:
    """The same line is not repeated; after minutes, half a minute lies between two."""
    pull, clock = progress()
    lines: list[tuple[float, str]] = []
    for second in range(400):
        clock.now = 100.0 + second
        if second < 300:
            pull.event(layer("a", "Downloading", second * MIB, 400 * MIB))
        if line := pull.due():
            lines.append((second, line))
    assert lines[0][0] == 5
    assert lines[1][0] == 10
    gaps = [b[0] - a[0] for a, b in pairwise(lines)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 30
    assert len(lines) < 30
    assert len({line for _, line in lines}) == len(lines)
    assert lines[-1][0] < 335


def test_waiting_is_told() -> None:
    """For another job's pull, and for a registry that has not answered."""
    pull, clock = progress()
    clock.now += 6
    assert pull.due(waiting=True) == "Pulling ruby:3.3: another job pulls it already, waiting"
    clock.now += 6
    assert pull.due() == "Pulling ruby:3.3: waiting for the registry"


def test_events_that_are_none_are_not_stumbled_over() -> None:
    """Whatever the engine sends."""
    pull, clock = progress()
    events: list[dict[str, Any]] = [
        {},
        {"status": "Downloading"},
        {"status": ["x"], "id": 1},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": "x", "total": -5}},
        {"status": "Digest: sha256:x"},
    ]
    for one in events:
        pull.event(one)
    clock.now += 6
    assert pull.due() == "Pulling ruby:3.3: 0 of 1 layers"
