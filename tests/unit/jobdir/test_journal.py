"""state.json (design R4)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.jobdir.journal import SCHEMA, JobResult, JobStateRecord, Journal, load_state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal is kept."""
    return tmp_path / "state.json"


def test_a_job_begins_without_journal(path: Path) -> None:
    """No file, no state: the job has not been looked at yet."""
    assert load_state(path) is None
    assert Journal.open(path).record == JobStateRecord()
    assert not path.exists()


def test_a_step_is_begun_and_ends(path: Path) -> None:
    """What is begun is attached to, what has ended is not done again; each is on disk when it returns."""
    journal = Journal.open(path)
    journal.begin("1", {"pid": 7})
    assert Journal.open(path).record.begun == {"1": {"pid": 7}}
    journal.end("1", {"code": 0})
    again = Journal.open(path).record
    assert again.begun == {}
    assert again.steps == {"1": {"code": 0}}


def test_a_step_may_end_without_having_begun(path: Path) -> None:
    """Values that are computed once have no beginning."""
    Journal.open(path).end("deadline", 12.5, durable=False)
    assert Journal.open(path).record.steps == {"deadline": 12.5}


def test_round_trip_of_a_finished_job(path: Path) -> None:
    """The manager reads the result as the supervisor left it."""
    record = JobStateRecord(
        phase="finished",
        stage="",
        started_at=1.0,
        finished_at=2.5,
        boot_id="b",
        starts=2,
        steps={"1": {"a": [1, None]}},
        deadlines={"job": 3.0},
        result=JobResult("failed", "script_failure", -1, "exit status 1", True),
    )
    Journal(path, record).store()
    assert load_state(path) == record
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_later_field_does_no_harm(path: Path) -> None:
    """Unknown keys of the same schema are passed over."""
    Journal(path, JobStateRecord(starts=3)).store()
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, "colour": "green"}))
    assert load_state(path) == replace(JobStateRecord(), starts=3)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", json.dumps({"schema": SCHEMA + 1})])
def test_what_is_not_of_this_version_is_refused(path: Path, content: str) -> None:
    """A newer journal is not touched: its own version goes on with it (R7)."""
    path.write_text(content)
    with pytest.raises(JobDirError, match=r"state\.json"):
        Journal.open(path)
    assert path.read_text() == content


def test_a_broken_journal_names_its_file(path: Path) -> None:
    """A value of a wrong type is a broken file."""
    path.write_text(json.dumps({"schema": SCHEMA, "steps": []}))
    with pytest.raises(JobDirError, match=r"state\.json.*steps"):
        load_state(path)
