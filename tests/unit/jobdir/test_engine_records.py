"""What an engine keeps because of our jobs (tristan-layout.md 7: disk_budget)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.jobdir.engine_records import EngineRecords, Thing

HOST = "unix:///var/run/docker.sock"


@pytest.fixture
def records(tmp_path: Path) -> EngineRecords:
    return EngineRecords(tmp_path, HOST)


def ids(records: EngineRecords) -> dict[str, list[str]]:
    return {record.name: record.ids for record, _ in records.find(Thing.IMAGE)}


def test_what_a_pull_brought_is_ours(records: EngineRecords) -> None:
    """Each id that the name had is remembered, once."""
    for item in ("sha256:a", "sha256:a", "sha256:b"):
        records.made(Thing.IMAGE, "ruby:3", "/root/1", item)
    assert ids(records) == {"ruby:3": ["sha256:a", "sha256:b"]}


def test_what_was_there_is_somebody_else_s(records: EngineRecords) -> None:
    """A pull that renews what was there before is not ours, unless that was."""
    records.made(Thing.IMAGE, "ruby:3", "/root/1", "sha256:a", was_there=True)
    assert ids(records) == {}
    records.made(Thing.IMAGE, "node", "/root/1", "sha256:c")
    records.made(Thing.IMAGE, "node", "/root/1", "sha256:d", was_there=True)
    assert ids(records) == {"node": ["sha256:c", "sha256:d"]}


def test_a_use_sets_the_time_of_what_is_ours(records: EngineRecords, tmp_path: Path) -> None:
    """The time of the last use is the file's; asking for something else leaves no trace."""
    records.made(Thing.IMAGE, "ruby:3", "/root/1", "sha256:a")
    (file,) = (tmp_path / ".engine").glob("*.json")
    os.utime(file, (5, 5))
    assert records.used_at(Thing.IMAGE, "ruby:3") == 5
    records.using(Thing.IMAGE, "node")
    records.using(Thing.IMAGE, "ruby:3")
    assert (records.used_at(Thing.IMAGE, "ruby:3") or 0) > 5
    assert records.used_at(Thing.IMAGE, "node") is None


def test_engines_and_things_are_told_apart(records: EngineRecords, tmp_path: Path) -> None:
    """The same name on another engine, or of a volume, is another thing."""
    records.made(Thing.IMAGE, "x", "/root/1", "sha256:a")
    records.made(Thing.VOLUME, "x", "/root/1")
    other = EngineRecords(tmp_path, "unix:///run/other.sock")
    assert other.find(Thing.IMAGE) == []
    assert len(records.find(Thing.IMAGE)) == len(records.find(Thing.VOLUME)) == 1
    with records.removing() as alone:
        assert alone
        records.forget(records.find(Thing.VOLUME)[0][0])
    assert records.find(Thing.VOLUME) == []
    assert len(records.find(Thing.IMAGE)) == 1


def test_a_use_waits_for_a_removal(records: EngineRecords, tmp_path: Path) -> None:
    """While something is removed, a job waits before it looks; it goes on as soon as that has ended."""
    records.made(Thing.IMAGE, "ruby:3", "/root/1", "sha256:a")
    removing = records.removing()
    assert removing.__enter__()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            removing.__exit__(None, None, None)

    EngineRecords(tmp_path, HOST, pause).using(Thing.IMAGE, "ruby:3")
    assert len(pauses) == 3


def test_two_do_not_remove_at_once(records: EngineRecords, tmp_path: Path) -> None:
    """Whoever cannot keep jobs from asking removes nothing."""
    with records.removing() as first, EngineRecords(tmp_path, HOST).removing() as second:
        assert (first, second) == (True, False)


def test_a_job_that_is_stopped_does_not_wait(records: EngineRecords, tmp_path: Path) -> None:
    """What stops the job ends the wait."""
    records.made(Thing.IMAGE, "ruby:3", "/root/1", "sha256:a")

    def stop(_: float) -> None:
        raise InterruptedError

    with records.removing(), pytest.raises(InterruptedError):
        EngineRecords(tmp_path, HOST, stop).using(Thing.IMAGE, "ruby:3")


def test_broken_records_are_nobody_s(records: EngineRecords, tmp_path: Path) -> None:
    """A file that makes no sense names nothing that may be removed, and does not keep jobs from working."""
    records.made(Thing.IMAGE, "ruby:3", "/root/1", "sha256:a")
    (file,) = (tmp_path / ".engine").glob("*.json")
    for text in ("{", "[]", '{"ids": 3}'):
        file.write_text(text)
        assert records.find(Thing.IMAGE) == []
    records.made(Thing.IMAGE, "ruby:3", "/root/1", "sha256:b")
    assert ids(records) == {"ruby:3": ["sha256:b"]}


def test_without_a_root_nothing_is_made(tmp_path: Path) -> None:
    """The folder of a root is its manager's to make."""
    EngineRecords(tmp_path / "none", HOST).made(Thing.IMAGE, "ruby:3", "/root/1", "sha256:a")
    assert list(tmp_path.iterdir()) == []
