"""Manager and clean-up keep out of each other's way by files (design R3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.jobdir.layout import Business
from pyrunner.manager.slot_locks import SlotLocks, SlotsOnDisk, unfinished_jobs
from pyrunner.manager.slots import Slots
from tests.unit.manager.places import Place
from tests.unit.manager.test_slots import job, use


@pytest.fixture
def business(tmp_path: Path) -> Business:
    return Business(tmp_path, "1")


def test_a_lock_is_one_holder_s(business: Business) -> None:
    """Whoever has a slot's lock keeps out every other holder, in this process too; others' slots are free."""
    mine, theirs = SlotLocks(business), SlotLocks(business)
    assert mine.take(1)
    assert [mine.take(1), theirs.take(1), theirs.take(2)] == [False, False, True]
    mine.give(1)
    mine.give(1)
    assert theirs.take(1)


def test_a_job_does_not_wait_for_a_clean_up(business: Business) -> None:
    """A slot in which something is moved aside right now is passed over, although it has the branch."""
    slots, disk = Slots(business), SlotsOnDisk(business)
    use(slots, job(), 1)
    assert disk.reserve(1)
    assert slots.take("t", job(), "branch").executor_id == 2
    disk.unreserve(1)
    assert slots.take("t", job(), "branch").executor_id == 1


def test_a_slot_is_kept_until_its_job_is_on_disk(business: Business) -> None:
    """From the choice on nobody cleans up there; once settled, or given up, the lock is free."""
    slots, disk = Slots(business), SlotsOnDisk(business)
    slot = slots.take("t", job(), "branch")
    assert not disk.reserve(slot.executor_id)
    slots.settled(slot)
    assert disk.reserve(slot.executor_id)
    disk.unreserve(slot.executor_id)
    slots.release(slot)
    slot = slots.take("t", job(), "branch")
    slots.release(slot)
    assert disk.reserve(slot.executor_id)


def test_an_unfinished_job_keeps_its_slot(tmp_path: Path) -> None:
    """Whether a manager lives or not: until its journal says finished, the slot is the job's."""
    place = Place(tmp_path)
    disk = SlotsOnDisk(place.business)
    ref = place.branch("main", 0)
    control = place.job(ref, 7)
    assert not disk.reserve(1)
    control.state.write_text("{")
    assert not disk.reserve(1), "a journal that makes no sense may be a newer version's"
    assert [one.job_id for one in unfinished_jobs(place.business)] == [7]
    place.job(ref, 7, finished=True)
    assert disk.reserve(1)
    assert unfinished_jobs(place.business) == []


def test_a_link_in_the_place_of_a_lock(business: Business, tmp_path: Path) -> None:
    """A lock is never taken through a link."""
    path = business.slot_lock(1)
    path.parent.mkdir(parents=True)
    (tmp_path / "victim").write_text("x")
    path.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic link"):
        SlotLocks(business).take(1)
