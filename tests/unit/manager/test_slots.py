"""Rules of :mod:`pyrunner.manager.slots` and :mod:`pyrunner.manager.guard` (tristan-layout.md 2)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.jobdir.layout import Business, place_job
from pyrunner.manager.guard import remove_tree, take_project
from pyrunner.manager.slots import Slots
from pyrunner.protocol.job import GitInfo, Job, JobInfo


def job(project: str = "group/app", project_id: int = 1, ref: str = "main") -> Job:
    return Job(
        id=100,
        job_info=JobInfo(project_id=project_id, project_full_path=project),
        git_info=GitInfo(repo_url=f"https://git.example.com/{project}.git", ref=ref, ref_type="branch"),
    )


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    return Slots(Business(tmp_path, "1"))


def use(slots: Slots, one: Job, executor_id: int, at: float = 0.0) -> None:
    """Leave behind what a job that ran in a slot leaves."""
    place = slots.business
    take_project(place.project(executor_id, one), one, place.slot(executor_id))
    place_job(place, executor_id, one).source.mkdir(parents=True, exist_ok=True)
    slots.store_parameters(executor_id, {})
    os.utime(place.start_parameters(executor_id), (at, at))


def test_ids_count_from_one(slots: Slots) -> None:
    """Without any folder, busy slots push the number up, and a free number is used again."""
    first = slots.take("t", job(), "branch")
    second = slots.take("t", job(), "branch")
    assert (first.executor_id, second.executor_id) == (1, 2)
    slots.release(first)
    assert slots.take("t", job(), "branch").executor_id == 1


def test_slot_that_holds_the_branch_wins(slots: Slots) -> None:
    """A free slot with this branch's folder comes first."""
    use(slots, job(ref="other"), 1, at=1)
    use(slots, job(ref="main"), 2, at=5)
    use(slots, job("group/else", 2), 3, at=0)
    assert slots.take("t", job(ref="main"), "branch").executor_id == 2


def test_slot_that_holds_the_project_is_next(slots: Slots) -> None:
    """Without the branch, a free slot with the project comes before others."""
    use(slots, job("group/else", 2), 1, at=0)
    use(slots, job(ref="other"), 2, at=9)
    assert slots.take("t", job(ref="main"), "branch").executor_id == 2


def test_least_recently_used_is_last(slots: Slots) -> None:
    """Otherwise the slot that was used longest ago is taken, no new one is made."""
    use(slots, job("group/a", 2), 1, at=9)
    use(slots, job("group/b", 3), 2, at=4)
    assert slots.take("t", job(), "branch").executor_id == 2


def test_busy_slot_is_not_chosen(slots: Slots) -> None:
    """A slot runs one job at a time, wherever the branch is."""
    use(slots, job(), 1)
    assert slots.take("t", job(), "branch").executor_id == 1
    assert slots.take("t", job(), "branch").executor_id == 2


def test_project_numbers(slots: Slots) -> None:
    """CI_CONCURRENT_PROJECT_ID is the smallest number free among jobs of the same token and project."""
    first = slots.take("t", job(), "branch")
    assert first.concurrent_project_id == 0
    assert slots.take("t", job(), "branch").concurrent_project_id == 1
    assert slots.take("t", job("group/b", 2), "branch").concurrent_project_id == 0
    slots.release(first)
    assert slots.take("t", job(), "branch").concurrent_project_id == 0


def test_parameters_are_private(slots: Slots) -> None:
    """data_data.json holds tokens: 0600."""
    slots.store_parameters(1, {"token": "x"})
    assert slots.business.start_parameters(1).stat().st_mode & 0o777 == 0o600


def test_another_project_does_not_inherit(slots: Slots) -> None:
    """A path that another project had is moved aside before use, with all that is in it."""
    use(slots, job(project_id=1), 1)
    folder = slots.business.project(1, job())
    (folder / "branches" / "main" / "source" / "planted").touch()
    new = job(project_id=2)
    aside = take_project(folder, new, slots.business.slot(1))
    assert aside is not None
    assert not (folder / "branches").exists()
    assert (aside / "branches" / "main" / "source" / "planted").exists()
    remove_tree(aside)
    assert not aside.exists()
    assert take_project(folder, new, slots.business.slot(1)) is None


def test_folder_without_a_mark_is_not_trusted(slots: Slots) -> None:
    """Sources of which nobody knows whose they are count as another's."""
    folder = slots.business.project(1, job())
    (folder / "branches").mkdir(parents=True)
    assert take_project(folder, job(), slots.business.slot(1)) is not None


def test_undelivered_result_is_not_moved(slots: Slots) -> None:
    """A slot in which another project's result still waits is not taken for this path (R9)."""
    old = job(project_id=1)
    use(slots, old, 1)
    waiting = slots.business.project(1, old) / "branches" / "main" / "build" / "55"
    assert slots.take("t", job(project_id=2), "branch", keep=[waiting]).executor_id == 2


def test_payload_that_does_not_decode_gets_a_slot(slots: Slots) -> None:
    """A job of which nothing is known still has a slot to be refused in."""
    assert slots.take("t", None, "branch").executor_id == 1


@pytest.mark.parametrize("kind", ["fifo", "link", "giant", "nested", "folder", "other json"])
def test_a_hostile_mark_counts_as_anothers(slots: Slots, tmp_path: Path, kind: str) -> None:
    """Whatever stands in the place of the mark, nobody waits for it, and the folder is not trusted."""
    use(slots, job(), 1)
    folder = slots.business.project(1, job())
    mark = folder / ".project"
    mark.unlink()
    if kind == "fifo":
        os.mkfifo(mark)
    elif kind == "link":
        mark.symlink_to("/dev/zero")
    elif kind == "folder":
        mark.mkdir()
    else:
        texts = {"giant": " " * 2**20 + "{}", "nested": "[" * 4000, "other json": "[1]"}
        mark.write_text(texts[kind])
    new = job()
    aside = take_project(folder, new, slots.business.slot(1))
    assert aside is not None
    assert take_project(folder, new, slots.business.slot(1)) is None
