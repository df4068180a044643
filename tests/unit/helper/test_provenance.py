"""The provenance statement of artifacts (job-execution.md 8.6)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import PyrunnerError
from pyrunner.helper.arguments import Options
from pyrunner.helper.entries import Entries
from pyrunner.helper.inventory import FOLDER, LINK
from pyrunner.helper.provenance import write_statement


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work tree as working directory."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "a").write_text("content")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("a")
    return folder


def options(**changes: Any) -> Options:
    """Return the flags of an uploader."""
    values = {
        "id": 7, "runner_id": "17", "repo_url": "https://gitlab.example.com/group/app", "repo_digest": "abc",
        "job_name": "build", "executor_name": "shell", "runner_name": "desk", "schema_version": "v1",
        "started_at": "2026-01-02T03:04:05+02:00", "ended_at": "2026-01-02T01:05:00Z",
        "metadata_parameter": ["CI_JOB_ID", "entryPoint"],
    }  # fmt: skip
    return Options(**{**values, **changes})


def write(name: str = "art", **changes: Any) -> dict[str, Any]:
    """Write a statement and read it."""
    path = write_statement(options(**changes), name, Entries({"a": 7, "folder": FOLDER, "link": LINK}))
    statement: dict[str, Any] = json.loads(Path(path).read_text())
    return statement


def test_the_statement() -> None:
    """Regular files by their SHA-256; what was built from what, where, when."""
    statement = write()
    digest = hashlib.sha256(b"content").hexdigest()
    assert list(statement) == ["_type", "subject", "predicateType", "predicate"]
    assert statement["subject"] == [{"name": "a", "digest": {"sha256": digest}}]
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {
        "CI_JOB_ID": "", "entryPoint": "build", "source": "https://gitlab.example.com/group/app",
    }  # fmt: skip
    assert definition["internalParameters"]["job"] == "7"
    assert definition["resolvedDependencies"] == [
        {"digest": {"sha256": "abc"}, "uri": "https://gitlab.example.com/group/app"}
    ]
    details = statement["predicate"]["runDetails"]
    assert details["builder"]["id"] == "https://gitlab.example.com/group/app/-/runners/17"
    assert details["metadata"] == {
        "finishedOn": "2026-01-02T01:05:00Z", "invocationId": "7", "startedOn": "2026-01-02T01:04:05Z",
    }  # fmt: skip


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """The job may have put one there."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    Path("art-metadata.json").symlink_to(outside)
    write()
    assert outside.read_text() == "mine"
    assert not Path("art-metadata.json").is_symlink()
    assert Path("art-metadata.json").stat().st_mode & 0o777 == 0o644
    assert not list(Path.cwd().glob("statement_*"))


def test_vanished_files_are_left_out() -> None:
    """The archive will not hold them either."""
    path = write_statement(options(), "art", Entries({"a": 7, "gone": 7}))
    assert [one["name"] for one in json.loads(Path(path).read_text())["subject"]] == ["a"]


def test_another_schema_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """There is one version only."""
    write(schema_version="unknown")
    assert "Unknown SLSA provenance version unknown, defaulting to v1" in caplog.text


def test_a_time_that_is_none() -> None:
    """It is the caller's mistake, and says where."""
    with pytest.raises(PyrunnerError, match="--started-at"):
        write(started_at="yesterday")


def test_a_place_that_cannot_be_written() -> None:
    """An error of ours, and nothing is left behind."""
    with pytest.raises(PyrunnerError, match=r"art/x-metadata\.json"):
        write("art/x")
    assert not list(Path.cwd().glob("statement_*"))
