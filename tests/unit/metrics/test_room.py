"""Room on the disk, as far as it can be known."""

from __future__ import annotations

import json
from pathlib import Path

from pyrunner.metrics.room import Rooms
from pyrunner.metrics.view import RunnerRoom

R = ("t", "n", "s")


def room(folder: Path, **settings: int) -> RunnerRoom:
    """Return the room of a runner that works in ``folder``."""
    return RunnerRoom(R, folder, folder / "cache", folder / "measured.json", **settings)


def shown(rooms: Rooms, one: RunnerRoom) -> dict[str, float]:
    """Return metric → value."""
    return {sample.metric.name: sample.value for sample in rooms.samples([one])}


def test_a_disk(tmp_path: Path) -> None:
    """Free and whole size; limits only where they are set, and use only where it was measured."""
    found = shown(Rooms(), room(tmp_path))
    assert 0 < found["pyrunner_disk_free_bytes"] <= found["pyrunner_disk_size_bytes"]
    assert found["pyrunner_cache_bytes"] == 0
    assert not {"pyrunner_disk_budget_bytes", "pyrunner_disk_min_free_bytes"} & found.keys()
    found = shown(Rooms(), room(tmp_path, budget=10, min_free=5))
    assert (found["pyrunner_disk_budget_bytes"], found["pyrunner_disk_min_free_bytes"]) == (10, 5)
    assert "pyrunner_disk_budget_used_bytes" not in found


def test_what_was_measured(tmp_path: Path) -> None:
    """The sum of the clean-up's measurements; nonsense is passed over."""
    file = tmp_path / "measured.json"
    file.write_text(json.dumps({"a": [0, 0, 100], "b": [0, 0, 20.0], "c": "x", "d": [1]}))
    assert shown(Rooms(), room(tmp_path, budget=1))["pyrunner_disk_budget_used_bytes"] == 120
    file.write_text("[")
    assert "pyrunner_disk_budget_used_bytes" not in shown(Rooms(), room(tmp_path, budget=1))


def test_caches_are_added_up_seldom(tmp_path: Path) -> None:
    """Archives count, links do not lead out, and five minutes pass between two looks."""
    now = 0.0
    rooms = Rooms(lambda: now)
    folder = tmp_path / "cache" / "7" / "key"
    folder.mkdir(parents=True)
    (folder / "cache.zip").write_bytes(b"x" * 1000)
    (tmp_path / "big").write_bytes(b"x" * 50_000)
    (folder / "link").symlink_to(tmp_path / "big")
    first = shown(rooms, room(tmp_path))["pyrunner_cache_bytes"]
    assert 1000 <= first < 2000
    (folder / "more.zip").write_bytes(b"x" * 5000)
    now = 299.0
    assert shown(rooms, room(tmp_path))["pyrunner_cache_bytes"] == first
    now = 301.0
    assert shown(rooms, room(tmp_path))["pyrunner_cache_bytes"] == first + 5000


def test_a_tree_that_a_job_made_too_deep(tmp_path: Path) -> None:
    """Is looked into so far, and no further."""
    folder = tmp_path / "cache"
    for _ in range(80):
        folder /= "d"
    folder.mkdir(parents=True)
    (folder / "f").write_bytes(b"x" * 1000)
    assert shown(Rooms(), room(tmp_path))["pyrunner_cache_bytes"] == 0


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """It is made with the first job; until then nothing is said about its disk."""
    assert shown(Rooms(), room(tmp_path / "none")) == {"pyrunner_cache_bytes": 0}
