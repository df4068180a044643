"""What pulls bring to the engine is noted, so that it can go when room is needed (tristan-layout.md 7)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.jobdir.engine_records import EngineRecords, Thing
from tests.support.fake_engine import FakeEngine, image_id, inspection
from tests.support.image_desk import Desk, brings, fails

ALWAYS: dict[str, Any] = {"docker": {"pull_policy": ["always"]}}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A job of a root that exists, and an engine that has nothing."""
    with FakeEngine() as fake:
        yield Desk(fake, tmp_path)


def records(desk: Desk) -> EngineRecords:
    return EngineRecords(desk.folder, desk.fake.engine().endpoint.host)


def noted(desk: Desk) -> dict[str, list[str]]:
    return {record.name: record.ids for record, _ in records(desk).find(Thing.IMAGE)}


def test_a_pull_of_something_new(desk: Desk) -> None:
    """It is ours, for the business of the job; a later use sets its time."""
    desk.fake.pulls = [brings()]
    desk.run(root=desk.folder, **ALWAYS)
    assert noted(desk) == {"ruby:3": [image_id(1)]}
    ((record, _),) = records(desk).find(Thing.IMAGE)
    assert record.business == str(desk.folder / "1")
    (file,) = (desk.folder / ".engine").glob("*.json")
    os.utime(file, (5, 5))
    second = Desk(desk.fake, desk.folder / "second")
    second.run(root=desk.folder, docker={"pull_policy": ["if-not-present"]})
    assert (records(desk).used_at(Thing.IMAGE, "ruby:3") or 0) > 5


def test_what_the_owner_of_the_host_had(desk: Desk) -> None:
    """An image that was there is not ours, though a job renews it; neither is one that was only used."""
    desk.fake.images["ruby:3"] = inspection(1)
    desk.fake.pulls = [brings(2)]
    desk.run(root=desk.folder, **ALWAYS)
    assert noted(desk) == {}
    second = Desk(desk.fake, desk.folder / "second")
    second.run(root=desk.folder, docker={"pull_policy": ["never"]})
    assert noted(desk) == {}


def test_a_pull_that_failed(desk: Desk) -> None:
    """Brings nothing."""
    desk.fake.pulls = [fails("no such image")]
    desk.run(root=desk.folder, **ALWAYS)
    assert noted(desk) == {}
