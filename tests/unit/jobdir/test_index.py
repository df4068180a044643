"""The index of a business's jobs (design R5, R9)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.index import add_pending, done_jobs, forget_done, mark_done, pending_jobs
from pyrunner.jobdir.layout import Business


@pytest.fixture
def business(tmp_path: Path) -> Business:
    """A business without jobs."""
    return Business(tmp_path, "1")


def control(business: Business, job_id: int, branch: str = "main") -> ControlDir:
    """Return where a job lives."""
    return ControlDir(business.slot(1) / "host" / "app" / "branches" / branch / "build" / str(job_id))


def test_an_unknown_business_has_no_jobs(business: Business) -> None:
    """The first start finds nothing, and makes nothing."""
    assert pending_jobs(business) == done_jobs(business) == []
    assert not business.path.exists()


def test_a_job_is_pending_until_it_is_done(business: Business) -> None:
    """Every job is in one of both lists, from its arrival to its removal."""
    place = control(business, 5)
    add_pending(business, 5, place)
    assert [(one.job_id, one.control) for one in pending_jobs(business)] == [(5, place)]
    mark_done(business, 5)
    assert pending_jobs(business) == []
    assert [(one.job_id, one.control) for one in done_jobs(business)] == [(5, place)]
    forget_done(business, 5)
    assert done_jobs(business) == []


def test_each_step_may_be_repeated(business: Business) -> None:
    """A manager that was killed in between does it again."""
    add_pending(business, 5, control(business, 5))
    add_pending(business, 5, control(business, 5))
    for _ in range(2):
        mark_done(business, 5)
        assert len(done_jobs(business)) == 1
    for _ in range(2):
        forget_done(business, 5)
    mark_done(business, 6)
    assert done_jobs(business) == []


def test_the_oldest_comes_first(business: Business) -> None:
    """Resumed and delivered in the order of arrival."""
    for job_id, changed in ((9, 100), (3, 300), (7, 200)):
        add_pending(business, job_id, control(business, job_id))
        os.utime(business.pending / str(job_id), (changed, changed))
    assert [one.job_id for one in pending_jobs(business)] == [9, 7, 3]
    assert [one.changed_at for one in pending_jobs(business)] == [100, 200, 300]


def test_done_counts_from_the_acknowledgement(business: Business) -> None:
    """Retention goes by when the job was acknowledged, however long that took."""
    add_pending(business, 5, control(business, 5))
    os.utime(business.pending / "5", (100, 100))
    mark_done(business, 5)
    assert done_jobs(business)[0].changed_at > 100


def test_the_root_may_be_moved(business: Business, tmp_path: Path) -> None:
    """Paths are relative to the business."""
    add_pending(business, 5, control(business, 5))
    moved = Business(tmp_path / "elsewhere", "1")
    moved.root.mkdir()
    business.path.rename(moved.path)
    assert pending_jobs(moved)[0].control == control(moved, 5)


def test_names_that_are_no_text(business: Business) -> None:
    """A folder's name may be any bytes."""
    place = control(business, 5, os.fsdecode(b"\xff\xfe"))
    add_pending(business, 5, place)
    assert pending_jobs(business)[0].control == place


def test_what_is_being_written_is_no_job(business: Business) -> None:
    """A temporary file of a killed writer is passed over."""
    add_pending(business, 5, control(business, 5))
    (business.pending / ".6.4711.tmp").touch()
    assert [one.job_id for one in pending_jobs(business)] == [5]


@pytest.mark.parametrize("content", ["", "/etc", "../../etc", "run/../../x"])
def test_a_record_never_leads_out_of_the_business(business: Business, content: str) -> None:
    """Whatever is removed or read by it is the business's own."""
    add_pending(business, 5, control(business, 5))
    (business.pending / "5").write_text(content)
    with pytest.raises(JobDirError, match="not the path of a control directory"):
        pending_jobs(business)
