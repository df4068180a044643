"""Sources are one ref's: a name that comes to another's folder finds nothing there (design R8)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pyrunner.jobdir.layout import Business, JobPlace, place_job
from pyrunner.manager.source_marks import take_sources
from pyrunner.protocol.job import GitInfo, Job, JobInfo

PROTECTED = "release/1.0"
#: A branch that anybody may push, whose folder is that of the protected one.
TWIN = f"release-1.0-{hashlib.sha256(PROTECTED.encode()).hexdigest()[:8]}"


@pytest.fixture
def business(tmp_path: Path) -> Business:
    return Business(tmp_path, "1")


def take(business: Business, ref: str, trust: str = "", source_path: str = "branch") -> tuple[JobPlace, bool]:
    """Let a job of ``ref`` come and make its sources; tells whether it found any."""
    job = Job(
        id=7,
        job_info=JobInfo(project_id=1, project_full_path="group/app"),
        git_info=GitInfo(repo_url="https://git.example.com/group/app.git", ref=ref, ref_type="branch"),
    )
    place = place_job(business, 1, job, source_path)
    place.project.mkdir(parents=True, exist_ok=True)
    take_sources(place, job, trust, business.slot(1))
    found = place.source.exists()
    place.source.mkdir(parents=True, exist_ok=True)
    return place, found


def test_a_twin_does_not_inherit(business: Business) -> None:
    """Two names of one folder: each begins anew, and what it had goes with it."""
    mine, _ = take(business, PROTECTED)
    twin, found = take(business, TWIN)
    assert (mine.source, found) == (twin.source, False)
    assert take(business, PROTECTED)[1] is False
    assert take(business, PROTECTED)[1] is True


def test_refs_of_their_own_stay(business: Business) -> None:
    """Each ref finds what it left, whatever came between."""
    take(business, "main")
    take(business, "other")
    assert (take(business, "main")[1], take(business, "other")[1]) == (True, True)


@pytest.mark.parametrize("source_path", ["branch", "slot"])
def test_protection_that_changes(business: Business, source_path: str) -> None:
    """What an unprotected job could write is not a protected one's, in either direction."""
    take(business, "main", "false", source_path)
    assert take(business, "main", "true", source_path)[1] is False
    assert take(business, "main", "true", source_path)[1] is True
    assert take(business, "main", "false", source_path)[1] is False


def test_one_tree_for_all_refs(business: Business) -> None:
    """``source_path = "slot"`` is one tree on purpose."""
    take(business, "main", source_path="slot")
    assert take(business, "other", source_path="slot")[1] is True


def test_sources_without_a_mark_are_not_trusted(business: Business) -> None:
    """Nobody knows whose they are; a mark that cannot be read is none."""
    place, _ = take(business, "main")
    (place.project / ".refs").write_text("{")
    assert take(business, "main")[1] is False


def test_marks_go_with_what_they_are_of(business: Business) -> None:
    """The file does not grow with every ref there ever was."""
    place, _ = take(business, "main")
    place.source.rmdir()
    take(business, "other")
    assert "main" not in (place.project / ".refs").read_text()
