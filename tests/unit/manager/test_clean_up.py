"""Room is made by removing what was used longest ago (tristan-layout.md 7: disk_budget, min_free)."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Sequence
from pathlib import Path

import pytest

from pyrunner.manager.clean_up import CleanUpRuns
from pyrunner.manager.guard import remove_tree
from pyrunner.manager.reclaimable import Kind, Reclaimable, find_reclaimable
from pyrunner.manager.retention import DAY
from pyrunner.system.lock import OpenFileLock
from tests.unit.manager.places import NOW, SIZE, Place, all_exist


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_least_used_goes_first(place: Place) -> None:
    """Beyond the budget, the least recently used goes, whatever it is, until the rest fits."""
    branch, newest = place.branch("a", 4), place.branch("b", 1)
    archive, libraries = place.cache("key", 3), place.libraries(2)
    result = place.clean_up(disk_budget=2 * SIZE)
    assert all_exist([branch, archive, libraries, newest]) == [False, False, True, True]
    assert [one.kind for one in result.removed] == ["sources", "cache"]
    assert (result.used, result.disk_budget) == (2 * SIZE, 2 * SIZE)
    assert {one.reason for one in result.removed} == {"beyond disk_budget"}


def test_within_the_budget_nothing_goes(place: Place) -> None:
    """The budget is a limit, not a target."""
    paths = [place.branch("a", 4), place.cache("key", 3), place.libraries(2)]
    result = place.clean_up(disk_budget=3 * SIZE)
    assert all_exist(paths) == [True] * 3
    assert (result.removed, result.used) == ([], 3 * SIZE)


def test_every_kind_counts(place: Place) -> None:
    """Checkouts of refs and of slots, archives, slots' caches, both libraries, old records."""
    place.branch("a", 9)
    place.fill(place.project / "source" / "app")
    place.cache("key", 7)
    place.cache("slot1", 6, "unprotected-slots")
    place.libraries(5)
    place.libraries(4, protected=True)
    ref = place.branch("b", 3)
    place.job(ref, 7, acknowledged=True)
    place.age(2, place.business.done / "7")
    result = place.clean_up(disk_budget=1)
    assert sorted(one.kind for one in result.removed) == [
        "cache", "job", "libraries", "libraries", "slot cache", "sources", "sources", "sources",
    ]  # fmt: skip
    assert result.used is not None
    assert result.used < SIZE


def test_a_key_called_like_a_slot_is_an_archive(place: Place) -> None:
    """Keys are the jobs' choice: none makes an archive something else."""
    place.cache("slot1", 6)
    result = place.clean_up(disk_budget=1)
    assert [one.kind for one in result.removed] == ["cache"]


def test_hostile_depth_of_an_archive(place: Place) -> None:
    """A tree deeper than our stack, or than we may have descriptors, keeps nothing from being tidied up."""
    deep = place.cache("deep", 6)
    folder = os.open(deep, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    [found] = find_reclaimable(place.business, NOW)
    assert found.path == deep
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, limits[1]))
    try:
        remove_tree(deep)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert not deep.exists()


def test_the_record_of_a_job_outlives_the_day(place: Place) -> None:
    """The same job may come again: its record stays for a day whatever it takes."""
    control = place.job(place.branch("a", 0), 7, acknowledged=True)
    place.age(0.9, place.business.done / "7")
    place.clean_up(disk_budget=1)
    assert control.path.exists()


def test_a_slot_that_works_keeps_what_it_has(place: Place) -> None:
    """Nothing of a slot with a job in it goes: sources, libraries, its cache; other slots' things do."""
    project = place.add_project("group/other", 8, slot=2)
    other = place.branch("x", 1, project=project)
    kept = [place.branch("a", 9), place.libraries(8), place.cache("slot1", 7, "protected-slots")]
    place.job(place.branch("main", 0), 7)
    result = place.clean_up(disk_budget=1)
    assert all_exist([*kept, other]) == [True, True, True, False]
    assert result.used is not None
    assert result.used >= 4 * SIZE


def test_the_archives_of_a_project_at_work_stay(place: Place) -> None:
    """Archives are shared by all slots: while any of them runs a job of the project, they stay."""
    mine = place.cache("key", 9)
    other = place.business.cache / "projects" / "git.example.com" / "8" / "unprotected" / "key"
    place.fill(other)
    project = place.add_project("group/app", 7, slot=2)
    control = place.job(place.branch("main", 0, project=project), 7)
    place.clean_up(disk_budget=1)
    assert all_exist([mine, other]) == [True, False]
    control.job.write_text("{")
    place.fill(other)
    place.clean_up(disk_budget=1)
    assert all_exist([mine, other]) == [True, True], "nobody knows whose caches it uses"


def test_a_result_to_deliver_keeps_its_record(place: Place) -> None:
    """Neither record nor sources of a job go before the coordinator has its result (R9)."""
    ref = place.branch("a", 9)
    control = place.job(ref, 7, finished=True)
    other = place.branch("b", 1)
    place.clean_up(disk_budget=1)
    assert all_exist([ref / "source", control.path, other]) == [True, True, False]


def test_min_free_makes_room_without_a_budget(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below min_free as much goes as is missing; nothing is measured that is not considered."""
    oldest, middle, newest = (place.branch(name, days) for name, days in (("a", 3), ("b", 2), ("c", 1)))
    place.free = 1000 * SIZE
    result = place.clean_up(min_free=1001 * SIZE)
    assert all_exist([oldest, middle, newest]) == [False, True, True]
    assert place.measured == [oldest / "source"]
    assert [one.reason for one in result.removed] == ["less than min_free left"]


def test_a_dry_run_changes_nothing(place: Place) -> None:
    """It tells what would go, for every reason, and leaves no file behind."""
    place.branch("old", 100)
    place.branch("a", 4)
    place.cache("key", 3)
    place.branch("b", 2)
    before = sorted(place.business.path.rglob("*"))
    result = place.clean_up(dry_run=True, keep_days=14, disk_budget=SIZE)
    assert sorted(place.business.path.rglob("*")) == before
    assert [(one.kind, one.reason) for one in result.removed] == [
        ("sources", "not used for 14 days (keep_days)"),
        ("sources", "beyond disk_budget"),
        ("cache", "beyond disk_budget"),
    ]
    place.free = 0
    assert len(place.clean_up(dry_run=True, min_free=2 * SIZE).removed) == 2


def test_a_dry_run_knows_what_is_in_use(place: Place) -> None:
    """What a job needs is not promised."""
    place.branch("old", 100)
    place.job(place.branch("main", 0), 7)
    result = place.clean_up(dry_run=True, keep_days=14, disk_budget=1)
    assert result.removed == []
    assert [one.why for one in result.kept] == ["a job needs it"]


def test_what_is_not_used_is_measured_once(place: Place) -> None:
    """A tree that no job has used since is not measured again; one that was used is."""
    ref = place.branch("a", 3)
    place.libraries(2)
    place.clean_up(disk_budget=10**9)
    place.measured.clear()
    place.clean_up(disk_budget=10**9)
    assert place.measured == []
    place.age(1, ref / "build")
    place.clean_up(disk_budget=10**9)
    assert place.measured == [ref / "source"]


def test_what_grows_is_measured_again(place: Place) -> None:
    """What a job at work was found to have does not hold when it has ended."""
    ref = place.branch("main", 0)
    place.job(ref, 7)
    assert place.clean_up(disk_budget=10**9).used == SIZE
    place.fill(ref / "source", "more")
    place.job(ref, 7, finished=True)
    assert place.clean_up(disk_budget=10**9).used == 2 * SIZE


def test_broken_memory_is_no_memory(place: Place) -> None:
    """Whatever the file of sizes holds, it costs no more than a measurement."""
    place.branch("a", 3)
    place.clean_up(disk_budget=10**9)
    name = "run/1/git.example.com/group/app/branches/a/source"
    for text in ("{", "[]", f'{{"{name}": [1]}}', f'{{"{name}": ["a", "b", "c"]}}', f'{{"{name}": 7}}'):
        place.business.measured.write_text(text)
        assert place.clean_up(disk_budget=10**9).used == SIZE


def test_one_at_a_time(place: Place) -> None:
    """Two processes do not tidy up the same business; a dry run may always look."""
    place.business.clean_up_lock.parent.mkdir(parents=True, exist_ok=True)
    lock = OpenFileLock.take(place.business.clean_up_lock)
    assert lock is not None
    with pytest.raises(CleanUpRuns, match="by another process"):
        place.clean_up()
    place.clean_up(dry_run=True)
    lock.close()
    place.clean_up()


def test_each_removal_is_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """A line of the log names what went, how big it was, when it was used and why it went."""
    place.branch("a", 3)
    with caplog.at_level(logging.INFO):
        place.clean_up(disk_budget=1)
    (line,) = [one for one in caplog.records if one.getMessage() == "Removed to make room"]
    fields = line.__dict__["fields"]
    assert fields == {
        "business": "1",
        "kind": "sources",
        "name": "run/1/git.example.com/group/app/branches/a/source",
        "size": "100 kB",
        "used": "2023-11-11T22:13:20Z",
        "reason": "beyond disk_budget",
    }


def test_keys_with_folders_and_names_of_all_sorts(place: Place) -> None:
    """A key with slashes goes as a whole; names that mean something to a shell mean nothing here."""
    names = ["-rf", "a b", "$(touch x)", "\n", "…", "slot1x", "slotx"]
    paths = [place.cache(name, 5) for name in names]
    nested = place.cache("group/key", 5)
    place.clean_up(disk_budget=1)
    assert all_exist([*paths, nested.parent]) == [False] * 8


def test_archives_that_were_read_are_used(place: Place) -> None:
    """An archive that is restored only, never saved, is as good as new: its access time tells."""
    read, unread = place.cache("read", 9), place.cache("unread", 5)
    os.utime(read / "cache.zip", (NOW - DAY, NOW - 9 * DAY))
    place.clean_up(disk_budget=SIZE)
    assert all_exist([read, unread]) == [True, False]


def test_times_to_come_are_the_last_job_s(place: Place) -> None:
    """A job that sets the time of its cache to next year does not keep it for ever."""
    hostile = place.cache("key", 0)
    place.age(-300, hostile, hostile / "cache.zip")
    place.age(5, place.caches)
    branch = place.branch("a", 4)
    place.clean_up(disk_budget=SIZE)
    assert all_exist([hostile, branch]) == [False, True]


def test_links_among_caches(place: Place, tmp_path: Path) -> None:
    """Links that stand in the place of archives, or of the folder of archives, lead nowhere."""
    victim = tmp_path / "victim"
    place.fill(victim / "key")
    place.cache("key", 5)
    (place.caches / "unprotected" / "link").symlink_to(victim)
    (place.caches / "protected").symlink_to(victim)
    place.clean_up(disk_budget=1)
    assert (victim / "key" / "file").exists()
    assert list((place.caches / "unprotected").iterdir()) == []


def test_a_folder_that_becomes_a_link_meanwhile(place: Place, tmp_path: Path) -> None:
    """Between look and removal a job puts a link in the place of the folder: nothing elsewhere is moved."""
    victim = tmp_path / "victim"
    place.fill(victim / "key")
    folder = place.cache("key", 5).parent
    measure = place.measure

    def swap(path: Path) -> int:
        size = measure(path)
        if not folder.is_symlink():
            folder.rename(folder.with_name("moved"))
            folder.symlink_to(victim)
        return size

    place.measure = swap  # type: ignore[assignment, method-assign]
    result = place.clean_up(disk_budget=1)
    assert result.removed == []
    assert (victim / "key" / "file").exists()


def test_what_was_begun_anew_for_another_user(place: Place) -> None:
    """Archives that an executor has moved aside go, unless a job of the project is at work."""
    aside = place.caches / ".unprotected.1a2b"
    place.fill(aside)
    control = place.job(place.branch("main", 0), 7)
    place.clean_up()
    assert aside.exists()
    place.job(place.project / "branches" / "main", 7, finished=True)
    place.clean_up()
    assert not aside.exists()
    assert control.path.exists()


class Engine:
    """An engine with things of known size."""

    def __init__(self, *things: Reclaimable, here: bool = True, refuses: str = "") -> None:
        self.things = list(things)
        self.here = here
        self.refuses = refuses
        self.removed: list[str] = []

    def find(self) -> Sequence[Reclaimable]:
        return self.things

    def is_on(self, device: int) -> bool:
        return self.here

    def remove(self, one: Reclaimable) -> str:
        if not self.refuses:
            self.removed.append(one.name)
        return self.refuses


def image(name: str, days_ago: float, *, held: bool = False) -> Reclaimable:
    return Reclaimable(Kind.IMAGE, name, NOW - days_ago * DAY, Path(), size=SIZE, held=held)


def test_images_go_in_their_turn(place: Place) -> None:
    """What the engine keeps for our jobs counts like everything else, and goes by its last use."""
    place.branch("a", 3)
    engine = Engine(image("ruby", 4), image("node", 1), image("busy", 9, held=True))
    result = place.clean_up(disk_budget=2 * SIZE, engine=engine)
    assert engine.removed == ["ruby"]
    assert result.removed[0].name == "ruby"
    assert result.used == 2 * SIZE


def test_what_the_engine_keeps_back(place: Place) -> None:
    """An image that a container uses stays, and the next best thing goes instead."""
    branch = place.branch("a", 3)
    result = place.clean_up(disk_budget=SIZE, engine=Engine(image("ruby", 4), refuses="a container uses it"))
    assert not branch.exists()
    assert [(one.name, one.why) for one in result.kept] == [("ruby", "a container uses it")]


def test_images_on_another_disk_make_no_room_here(place: Place) -> None:
    """For min_free only that goes which is on the disk that lacks room."""
    branch = place.branch("a", 3)
    place.free = 0
    engine = Engine(image("ruby", 4), here=False)
    place.clean_up(min_free=SIZE, engine=engine)
    assert engine.removed == []
    assert not branch.exists()
