"""job.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError, PayloadError
from pyrunner.jobdir.record import SCHEMA, JobRecord, TLSData
from tests.support.contexts import payload


def record() -> JobRecord:
    """Return a record with nothing at its default."""
    return JobRecord(
        payload=payload(),
        runner={"name": "desk", "token": "glrt-secret"},
        business="/data/7",
        business_id="7",
        executor_id=3,
        concurrent_project_id=2,
        system_id="s_0123456789ab",
        correlation_id="0" * 32,
        received_at=12.5,
        source="/data/7/source",
        project="/data/7/project",
        keep_source=False,
        cache="/data/7/cache",
        tls=TLSData("chain", "certificate", "key"),
        user="ada",
        working_directory="/home/ada",
        refusal="no",
    )


def test_round_trip(tmp_path: Path) -> None:
    """The supervisor reads exactly what the manager wrote, and nobody else may read it."""
    path = tmp_path / "job.json"
    record().store(path)
    assert JobRecord.load(path) == record()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_payload_is_decoded_where_it_is_needed(tmp_path: Path) -> None:
    """The record keeps the payload as received; one that does not decode can still be stored and reported."""
    assert record().job.id == 4711
    path = tmp_path / "job.json"
    JobRecord(payload={"id": "x"}).store(path)
    with pytest.raises(PayloadError):
        _ = JobRecord.load(path).job


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema": null}', '{"schema": 2}', "{}"])
def test_what_is_not_of_this_version_is_refused(tmp_path: Path, content: str) -> None:
    """An unknown record is never guessed at: it is left for the version that wrote it (design R7)."""
    path = tmp_path / "job.json"
    path.write_text(content)
    with pytest.raises(JobDirError, match=r"job\.json"):
        JobRecord.load(path)
    assert path.read_text() == content


def test_a_broken_record_names_its_file(tmp_path: Path) -> None:
    """A value of a wrong type is a broken file, not a broken payload."""
    path = tmp_path / "job.json"
    path.write_text(json.dumps({"schema": SCHEMA, "executor_id": "one"}))
    with pytest.raises(JobDirError, match=r"job\.json.*executor_id"):
        JobRecord.load(path)


def test_no_record(tmp_path: Path) -> None:
    """A missing job is an error of ours, not a file system's."""
    with pytest.raises(JobDirError, match="no such job"):
        JobRecord.load(tmp_path / "job.json")
