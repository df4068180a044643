"""What is not kept whatever room there is (tristan-layout.md 7, design R9)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.jobdir.index import done_jobs
from pyrunner.manager.retention import DAY, KEEP_JOBS
from pyrunner.manager.slot_locks import SlotLocks
from tests.unit.manager.places import NOW, Place, all_exist


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_unused_branches_go(place: Place) -> None:
    """A branch's sources go after keep_days; a used one stays; empty folders go along."""
    old, new = place.branch("old", 15), place.branch("new", 13)
    place.clean_up(keep_days=14)
    assert not old.exists()
    assert (new / "source" / "app" / "file").exists()


def test_only_so_many_branches_a_project_stay(place: Place) -> None:
    """Of each project in a slot, the branches used last stay."""
    refs = [place.branch(f"b{number}", number) for number in range(7)]
    place.clean_up(keep_branches=5)
    assert all_exist(refs) == [True] * 5 + [False] * 2


def test_merge_requests_are_pruned_too(place: Place) -> None:
    """A merge request's folder is kept like a branch."""
    ref = place.branch("17", 20, "merge_requests")
    place.clean_up(keep_days=14)
    assert not ref.exists()


def test_busy_slot_is_not_touched(place: Place) -> None:
    """Nothing is removed from a slot that runs a job, or is just being given one."""
    old = place.branch("old", 100)
    place.job(place.branch("main", 0), 7)
    result = place.clean_up(keep_days=14)
    assert (old / "source").exists()
    assert [one.why for one in result.kept] == ["a job is at work in its slot"]


def test_slot_that_gets_a_job_is_not_touched(place: Place) -> None:
    """Between the choice of a slot and the job's record, its lock keeps others out; nobody waits."""
    old = place.branch("old", 100)
    locks = SlotLocks(place.business)
    assert locks.take(1)
    place.clean_up(keep_days=14)
    assert (old / "source").exists()
    locks.give(1)
    place.clean_up(keep_days=14)
    assert not old.exists()


def test_pending_job_keeps_its_folder(place: Place) -> None:
    """A result that is not acknowledged is never removed, however old (R9); nor are the sources beside it."""
    ref = place.branch("old", 100)
    control = place.job(ref, 7, finished=True)
    place.age(100, ref / "build", ref)
    place.clean_up(keep_days=14)
    assert (ref / "source").exists()
    assert control.path.exists()


def test_done_jobs_go_by_age(place: Place) -> None:
    """The control directory of an acknowledged job is kept for a week."""
    ref = place.branch("main", 1)
    for job_id in (7, 8):
        place.job(ref, job_id, acknowledged=True)
    old = NOW - (KEEP_JOBS + 1) * DAY
    os.utime(place.business.done / "7", (old, old))
    os.utime(place.business.done / "8", (NOW, NOW))
    place.clean_up()
    assert [one.job_id for one in done_jobs(place.business)] == [8]
    assert not (ref / "build" / "7").exists()
    assert (ref / "build" / "8").exists()


def test_the_end_of_a_record_is_no_use_of_its_branch(place: Place) -> None:
    """When the record of its last job goes, a branch stays as old as it was."""
    ref = place.branch("main", 10)
    place.job(ref, 7, acknowledged=True)
    place.age(10, ref / "build", ref, place.business.done / "7")
    place.clean_up()
    assert not (ref / "build" / "7").exists()
    assert (ref / "source").exists()
    place.clean_up(keep_days=9)
    assert not ref.exists()


def test_a_job_cannot_make_its_branch_look_used(place: Place) -> None:
    """The time of sources, which jobs write, says nothing."""
    ref = place.branch("old", 100)
    os.utime(ref / "source", (NOW, NOW))
    place.clean_up(keep_days=14)
    assert not ref.exists()


def test_links_of_a_job_are_not_followed(place: Place, tmp_path: Path) -> None:
    """A link that a job has left in its sources removes nothing elsewhere."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").touch()
    ref = place.branch("old", 100)
    (ref / "source" / "link").symlink_to(victim)
    place.clean_up(keep_days=14)
    assert not ref.exists()
    assert (victim / "file").exists()


def test_sources_are_not_searched_for_projects(place: Place) -> None:
    """Folders in a job's sources that look like ours are the job's own affair."""
    ref = place.branch("main", 1)
    fake = ref / "source" / "x"
    (fake / "branches" / "old" / "source").mkdir(parents=True)
    (fake / ".project").touch()
    os.utime(fake / "branches" / "old", (0, 0))
    place.clean_up(keep_days=14)
    assert (fake / "branches" / "old" / "source").exists()


def test_moved_aside_projects_go(place: Place) -> None:
    """What was another project's is removed, also when the process that moved it was killed."""
    trash = place.business.slot(1) / ".removed" / "abc"
    trash.mkdir(parents=True)
    place.clean_up()
    assert not trash.exists()


def test_a_removal_that_was_cut_short_does_not_keep_the_next(place: Place) -> None:
    """Sources go although those of an earlier job still lie beside them, half removed."""
    ref = place.branch("old", 100)
    (ref / ".source.removed" / "rest").mkdir(parents=True)
    place.age(100, ref)
    place.clean_up(keep_days=14)
    assert not ref.exists()


def test_a_trash_folder_that_is_a_link_is_left_alone(place: Place, tmp_path: Path) -> None:
    """What somebody links into the place of our trash is not emptied."""
    victim = tmp_path / "victim"
    (victim / "precious").mkdir(parents=True)
    (place.business.slot(1) / ".removed").symlink_to(victim)
    place.clean_up()
    assert (victim / "precious").exists()


def test_refs_with_nothing_left_go(place: Place) -> None:
    """The folder of a ref whose sources and records have gone goes as well, unless its slot is in use."""
    (place.project / "tags" / "v1" / "build").mkdir(parents=True)
    main = place.branch("main", 0)
    control = place.job(main, 7)
    place.clean_up()
    assert (place.project / "tags" / "v1").exists()
    place.job(main, 7, finished=True)
    place.clean_up()
    assert not (place.project / "tags" / "v1").exists()
    assert control.path.exists()
