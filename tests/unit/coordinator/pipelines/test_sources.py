"""What jobs get from others: archives, dotenv variables, coverage (gitlab-ci-yml.md 7.5, 5.1)."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.pipelines.creation import Choices
from pyrunner.coordinator.pipelines.outcome import coverage
from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.records import Artifact
from tests.support.pipeline_service import Lab

STAGES = """
a: {stage: build, script: s, artifacts: {paths: [x], reports: {dotenv: d.env}}}
b: {stage: build, script: s}
all: {script: s}
none: {script: s, dependencies: []}
one: {script: s, dependencies: [b]}
needs: {script: s, needs: [a, {job: b, artifacts: false}]}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A service without runners."""
    made = Lab(tmp_path)
    yield made
    made.service.close()


@pytest.fixture
def uploads(tmp_path: Path) -> dict[str, Path]:
    """What job ``a`` uploads."""
    archive, report = tmp_path / "artifacts.zip", tmp_path / ".env.gz"
    archive.write_bytes(b"PK")
    report.write_bytes(gzip.compress(b"VERSION=7\n"))
    return {"archive": archive, "dotenv": report}


def names(payload: dict[str, Any]) -> list[str]:
    """Return the jobs that a payload depends on."""
    return [one["name"] for one in payload["dependencies"]]


def sent(payload: dict[str, Any], key: str) -> str | None:
    """Return the last value of a variable of a payload."""
    return next((one["value"] for one in reversed(payload["variables"]) if one["key"] == key), None)


def test_dependencies(lab: Lab, uploads: dict[str, Path]) -> None:
    """Stage jobs get all of earlier stages, unless dependencies say less; needs give those with artifacts."""
    pipeline = lab.begin(STAGES)
    lab.end(pipeline, "a", artifacts=uploads)
    lab.end(pipeline, "b")
    payloads = {name: lab.payload(pipeline, name) for name in ("all", "none", "one", "needs")}
    assert {name: names(one) for name, one in payloads.items()} == {
        "all": ["a", "b"],
        "none": [],
        "one": ["b"],
        "needs": ["a"],
    }
    with_archive = [one["name"] for one in payloads["all"]["dependencies"] if "artifacts_file" in one]
    assert with_archive == ["a"]
    assert {one["token"] for one in payloads["all"]["dependencies"]} == {payloads["all"]["token"]}


def test_dotenv_variables(lab: Lab, uploads: dict[str, Path]) -> None:
    """Variables of a report reach the jobs that get its job's artifacts, no others; they are not public."""
    pipeline = lab.begin(STAGES)
    lab.end(pipeline, "a", artifacts=uploads)
    lab.end(pipeline, "b")
    assert sent(lab.payload(pipeline, "all"), "VERSION") == "7"
    assert sent(lab.payload(pipeline, "needs"), "VERSION") == "7"
    assert sent(lab.payload(pipeline, "one"), "VERSION") is None
    assert sent(lab.payload(pipeline, "none"), "VERSION") is None
    entry = next(one for one in lab.payload(pipeline, "all")["variables"] if one["key"] == "VERSION")
    assert entry["public"] is False


def test_only_the_last_attempt_gives(lab: Lab, uploads: dict[str, Path]) -> None:
    """A retried job's artifacts are those of the attempt that counts."""
    pipeline = lab.begin("{a: {stage: build, script: s, retry: 1}, b: {script: s}}")
    lab.end(pipeline, "a", 1, artifacts=uploads)
    lab.end(pipeline, "a")
    assert [one["id"] for one in lab.payload(pipeline, "b")["dependencies"]] == [lab.latest(pipeline)["a"].id]


def test_jobs_that_are_done(lab: Lab, tmp_path: Path, uploads: dict[str, Path]) -> None:
    """Jobs that passed before are not run, but others get their artifacts."""
    archive = uploads["archive"]
    done = {"a": [Artifact("archive", "zip", "artifacts.zip", archive, 2, "0" * 64)]}
    pipeline = lab.begin("{a: {stage: build, script: s}, b: {script: s}}", Choices(done=done))
    assert lab.states(pipeline) == {"a": "success", "b": "pending"}
    entry = lab.payload(pipeline, "b")["dependencies"][0]
    assert entry["artifacts_file"]["filename"] == "artifacts.zip"
    assert lab.store.jobs[entry["id"]].artifacts["archive"].path == archive


def test_needs_of_another_pipeline(lab: Lab, uploads: dict[str, Path]) -> None:
    """``needs:pipeline`` gives the artifacts of a job that passed there, without waiting."""
    first = lab.begin("a: {script: s, artifacts: {paths: [x]}}")
    lab.end(first, "a", artifacts=uploads)
    text = f"b: {{script: s, needs: [{{pipeline: '{first}', job: a}}]}}"
    second = lab.begin(text, ref="other")
    assert names(lab.payload(second, "b")) == ["a"]


def test_an_archive_that_has_gone(lab: Lab, uploads: dict[str, Path]) -> None:
    """A job whose dependency's archive was erased is dropped with the reason, and never retried for it."""
    from pyrunner.coordinator.assignment import next_job

    pipeline = lab.begin("{a: {stage: build, script: s}, b: {script: s, retry: 2}}")
    lab.end(pipeline, "a", artifacts=uploads)
    del lab.store.jobs[lab.latest(pipeline)["a"].id].artifacts["archive"]
    runner = lab.store.add_runner()
    assert next_job(lab.store, runner, lab.store.manager(runner, "s", {})) is None
    lab.step()
    job = lab.latest(pipeline)["b"]
    assert (job.status, job.failure_reason, job.attempt) == (
        Status.FAILED,
        "missing_dependency_failure",
        1,
    )


def test_snapshot_is_checked_out(lab: Lab) -> None:
    """The commit to check out is the pipeline's; the variables name the event's (5.4)."""
    pipeline = lab.begin("a: {script: s}")
    payload = lab.payload(pipeline, "a")
    assert payload["git_info"]["sha"] == "a" * 40
    assert sent(payload, "CI_COMMIT_SHA") == "0" * 40
    assert payload["git_info"]["refspecs"][0] == f"+refs/pipelines/{pipeline}:refs/pipelines/{pipeline}"
    assert f"gitlab-ci-token:{payload['token']}@" in payload["git_info"]["repo_url"]


@pytest.mark.parametrize(
    ("pattern", "trace", "expected"),
    [
        (r"/Total: (\d+)%/", "Total: 10%\nTotal: 87%\nend", 87.0),
        (r"/\d+\.\d+ covered/", "x 71.5 covered", 71.5),
        (r"/(a)(\d+)?/", "a5", 5.0),
        (r"/nothing/", "x", None),
        (r"", "x 5", None),
        (r"/(unclosed/", "x 5", None),
    ],
)
def test_coverage(pattern: str, trace: str, expected: float | None) -> None:
    """The last line that matches, its last group, and of that the first number (3.2)."""
    assert coverage(pattern, trace.encode()) == expected
