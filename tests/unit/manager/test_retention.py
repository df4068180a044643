"""Rules of :mod:`pyrunner.manager.retention` (tristan-layout.md 7, design R9)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.index import add_pending, done_jobs, mark_done
from pyrunner.jobdir.layout import Business
from pyrunner.manager.retention import DAY, KEEP_JOBS, Retention, RetentionRules
from pyrunner.manager.slots import Slot, Slots

NOW = 1_700_000_000.0


class Place:
    """A business with slot 1 and a project in it."""

    def __init__(self, folder: Path) -> None:
        self.business = Business(folder, "1")
        self.slots = Slots(self.business)
        self.project = self.business.slot(1) / "git.example.com" / "group" / "app"
        self.project.mkdir(parents=True)
        (self.project / ".project").write_text("{}")

    def branch(self, name: str, days_ago: float, kind: str = "branches") -> Path:
        ref = self.project / kind / name
        (ref / "source" / "app").mkdir(parents=True)
        (ref / "source" / "app" / "file").write_bytes(b"x" * 100_000)
        (ref / "build").mkdir()
        self.age(ref, days_ago)
        return ref

    @staticmethod
    def age(ref: Path, days_ago: float) -> None:
        moment = NOW - days_ago * DAY
        for path in (ref / "source", ref / "build", ref):
            os.utime(path, (moment, moment))

    def prune(self, **rules: int) -> None:
        Retention(self.business, self.slots, lambda: NOW).prune(RetentionRules(**rules))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_unused_branches_go(place: Place) -> None:
    """A branch's sources go after keep_days; a used one stays; empty folders go along."""
    old, new = place.branch("old", 15), place.branch("new", 13)
    place.prune(keep_days=14)
    assert not old.exists()
    assert (new / "source" / "app" / "file").exists()


def test_only_so_many_branches_a_project_stay(place: Place) -> None:
    """Of each project in a slot, the branches used last stay."""
    refs = [place.branch(f"b{number}", number) for number in range(7)]
    place.prune(keep_branches=5)
    assert [ref.exists() for ref in refs] == [True] * 5 + [False] * 2


def test_merge_requests_are_pruned_too(place: Place) -> None:
    """A merge request's folder is kept like a branch."""
    ref = place.branch("17", 20, "merge_requests")
    place.prune()
    assert not ref.exists()


def test_busy_slot_is_not_touched(place: Place) -> None:
    """Nothing is removed from a slot that runs a job."""
    old = place.branch("old", 100)
    slot = Slot(1, "token", 1, 0)
    place.slots.occupy(slot)
    place.prune()
    assert (old / "source").exists()
    place.slots.release(slot)
    place.prune()
    assert not old.exists()


def test_pending_job_keeps_its_folder(place: Place) -> None:
    """A result that is not acknowledged is never removed, however old (R9)."""
    ref = place.branch("old", 100)
    control = ControlDir(ref / "build" / "7")
    control.create()
    add_pending(place.business, 7, control)
    place.age(ref, 100)
    place.prune()
    assert (ref / "source").exists()
    assert control.path.exists()


def test_done_jobs_go_by_age(place: Place) -> None:
    """The control directory of an acknowledged job is kept for a week."""
    ref = place.branch("main", 1)
    for job_id in (7, 8):
        control = ControlDir(ref / "build" / str(job_id))
        control.create()
        add_pending(place.business, job_id, control)
        mark_done(place.business, job_id)
    old = NOW - (KEEP_JOBS + 1) * DAY
    os.utime(place.business.done / "7", (old, old))
    os.utime(place.business.done / "8", (NOW, NOW))
    place.prune()
    assert [one.job_id for one in done_jobs(place.business)] == [8]
    assert not (ref / "build" / "7").exists()
    assert (ref / "build" / "8").exists()


def test_disk_budget_takes_the_least_used_first(place: Place) -> None:
    """Beyond the budget, sources go, the least recently used first, until it fits."""
    oldest, middle, newest = (place.branch(name, days) for name, days in (("a", 3), ("b", 2), ("c", 1)))
    place.prune(disk_budget=250_000)
    assert [one.exists() for one in (oldest, middle, newest)] == [False, True, True]


def test_links_of_a_job_are_not_followed(place: Place, tmp_path: Path) -> None:
    """A link that a job has left in its sources removes nothing elsewhere."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").touch()
    ref = place.branch("old", 100)
    (ref / "source" / "link").symlink_to(victim)
    place.age(ref, 100)
    place.prune()
    assert not ref.exists()
    assert (victim / "file").exists()


def test_sources_are_not_searched_for_projects(place: Place) -> None:
    """Folders in a job's sources that look like ours are the job's own affair."""
    ref = place.branch("main", 1)
    fake = ref / "source" / "x"
    (fake / "branches" / "old" / "source").mkdir(parents=True)
    (fake / ".project").touch()
    os.utime(fake / "branches" / "old", (0, 0))
    place.age(ref, 1)
    place.prune()
    assert (fake / "branches" / "old" / "source").exists()


def test_moved_aside_projects_go(place: Place) -> None:
    """What was another project's is removed, also when the process that moved it was killed."""
    trash = place.business.slot(1) / ".removed" / "abc"
    trash.mkdir(parents=True)
    place.prune()
    assert not trash.exists()


def test_a_removal_that_was_cut_short_does_not_keep_the_next(place: Place) -> None:
    """Sources go although those of an earlier job still lie beside them, half removed."""
    ref = place.branch("old", 100)
    (ref / ".source.removed" / "rest").mkdir(parents=True)
    place.age(ref, 100)
    place.prune()
    assert not ref.exists()


def test_a_trash_folder_that_is_a_link_is_left_alone(place: Place, tmp_path: Path) -> None:
    """What somebody links into the place of our trash is not emptied."""
    victim = tmp_path / "victim"
    (victim / "precious").mkdir(parents=True)
    (place.business.slot(1) / ".removed").symlink_to(victim)
    place.prune()
    assert (victim / "precious").exists()
