"""Artifacts between jobs of a real runner and the embedded coordinator (job-execution.md 8)."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.faults import Drop, Endpoint, Fault
from pyrunner.coordinator.records import JobRecord
from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.runner import RunnerProcess, trace_lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

OUT = {"paths": ["out/"], "artifact_type": "archive", "artifact_format": "zip"}
MAKE = "rm -rf out; mkdir out; echo one > out/one; chmod 750 out/one; ln -s one out/link; echo t > out/x.tmp"


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator, tmp_path: Path) -> Iterator[RunnerProcess]:
    """A runner on a fresh root."""
    with RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner()) as process:
        yield process


def run(
    coordinator: EmbeddedCoordinator, *script: str, status: str = "success", **arguments: Any
) -> tuple[JobRecord, str]:
    """Run a job to its end; return it and its output."""
    job_id = coordinator.enqueue(script=script, **arguments)
    job = coordinator.wait_for(job_id, status)
    trace = coordinator.trace(job_id)
    return job, "\n".join([*trace_lines(trace), *trace_lines(trace, "01E")])


def make(coordinator: EmbeddedCoordinator) -> int:
    """Run a job that leaves ``out/``; return its id."""
    job, _ = run(coordinator, MAKE, artifacts=OUT, name="build")
    return job.id


def test_two_jobs(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """What one job leaves the next one finds: content, modes, links, without what is excluded."""
    artifacts = [
        {**OUT, "name": "$CI_JOB_NAME/$CI_COMMIT_REF_NAME", "exclude": ["out/*.tmp"], "expire_in": "2 days"}
    ]
    first, output = run(coordinator, MAKE, artifacts=artifacts, name="build")
    assert "out/*.tmp: excluded 1 files" in output
    archive = first.artifacts["archive"]
    assert (archive.filename, archive.expire_in) == ("main.zip", "2 days")
    assert zipfile.ZipFile(archive.path).namelist() == ["out/", "out/link", "out/one"]
    second, output = run(
        coordinator, "stat -c '%a %F' out/one out/link; cat out/link", "ls out | wc -l",
        name="test", dependencies=[first.id],
    )  # fmt: skip
    assert f"Downloading artifacts for job-{first.id} ({first.id})..." in output
    assert "Downloading artifacts from coordinator... ok" in output
    assert "750 regular file" in output
    assert "777 symbolic link" in output
    assert coordinator.violations == []
    assert coordinator.job(second.id).token.encode() not in coordinator.trace(second.id)


def test_dependencies_in_order(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """A later one replaces files of an earlier one; one without an archive is left out."""
    ids = [
        run(coordinator, f"mkdir -p out; echo {text} > out/one", artifacts=OUT)[0].id
        for text in ("first", "second")
    ]
    none, _ = run(coordinator, "true")
    _, output = run(coordinator, "cat out/one", dependencies=[*ids, none.id])
    assert "second" in output.splitlines()
    _, output = run(coordinator, "cat out/one", dependencies=[*reversed(ids)])
    assert "first" in output.splitlines()
    assert f"({none.id})" not in output


def test_reports(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """dotenv and JUnit are gzip like any report, also of a failed job; raw ones come as they are."""
    artifacts = [
        {
            "paths": ["v.env"],
            "name": "dotenv",
            "artifact_type": "dotenv",
            "artifact_format": "gzip",
            "when": "always",
        },
        {"paths": ["*.xml"], "artifact_type": "junit", "artifact_format": "gzip", "when": "always"},
        {"paths": ["sast.json"], "artifact_type": "sast", "artifact_format": "raw", "when": "always"},
        {**OUT, "when": "on_failure"},
        {"paths": ["never"], "artifact_type": "trace", "artifact_format": "zip"},
    ]
    script = "echo A=1 > v.env; echo '<a/>' > a.xml; echo '<b/>' > b.xml; echo '{}' > sast.json; mkdir -p out"
    job, output = run(coordinator, script, "false", status="failed", artifacts=artifacts)
    assert sorted(job.artifacts) == ["archive", "dotenv", "junit", "sast"]
    assert job.artifacts["dotenv"].filename == "dotenv.gz"
    assert gzip.decompress(job.artifacts["dotenv"].path.read_bytes()) == b"A=1\n"
    assert gzip.decompress(job.artifacts["junit"].path.read_bytes()) == b"<a/>\n<b/>\n"
    assert job.artifacts["sast"].path.read_bytes() == b"{}\n"
    assert 'Uploading artifacts as "dotenv" to coordinator... 201 Created' in output
    assert job.failure_reason == "script_failure"
    assert coordinator.violations == []


def test_nothing_to_upload(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """An error line, and the job succeeds."""
    job, output = run(coordinator, "true", artifacts={"paths": ["missing/"]})
    assert "ERROR: No files to upload" in output
    assert job.artifacts == {}


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault(Endpoint.UPLOAD, status=403, times=None), "FATAL: permission denied"),
        (Fault(Endpoint.UPLOAD, status=413, times=None), "FATAL: too large"),
    ],
    ids=["403", "413"],
)
def test_refused_uploads(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, fault: Fault, text: str
) -> None:
    """Final at once: the job fails, and the entries behind are not tried."""
    coordinator.faults.add(fault)
    job, output = run(coordinator, MAKE, status="failed", artifacts=[OUT, {**OUT, "artifact_type": "junit"}])
    assert text in output
    assert output.count("Uploading artifacts...") == 1
    assert (job.failure_reason, job.exit_code) == ("script_failure", 1)
    assert len([one for one in coordinator.requests if one.endpoint == "upload"]) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Endpoint.UPLOAD, status=503, times=2),
        Fault(Endpoint.UPLOAD, drop=Drop.BEFORE),
        Fault(Endpoint.DOWNLOAD, status=503, times=2),
        Fault(Endpoint.DOWNLOAD, drop=Drop.BEFORE),
        Fault(Endpoint.DOWNLOAD, cut=10),
    ],
    ids=["upload 503", "upload lost", "download 503", "download lost", "download cut"],
)
def test_passing_troubles(coordinator: EmbeddedCoordinator, runner: RunnerProcess, fault: Fault) -> None:
    """Busy or lost connections are tried again; what arrives in the end is whole."""
    coordinator.faults.add(fault)
    _, output = run(coordinator, "cat out/one", dependencies=[make(coordinator)])
    assert "one" in output.splitlines()


@pytest.mark.parametrize("direct", ["true", "false"])
def test_object_storage(coordinator: EmbeddedCoordinator, runner: RunnerProcess, direct: str) -> None:
    """Redirected to where the archive is; the job token's request is followed there."""
    coordinator.enable_direct_download()
    _, output = run(
        coordinator,
        "cat out/one",
        dependencies=[make(coordinator)],
        variables={"FF_USE_DIRECT_DOWNLOAD": direct},
    )
    assert "one" in output.splitlines()
    assert ("Direct download from 127.0.0.1:" in output) is (direct == "true")
    queries = [one.query for one in coordinator.requests if one.endpoint == "download"]
    assert queries == (["direct_download=true"] * 2 if direct == "true" else [""])


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (403, "FATAL: permission denied"),
        (401, "FATAL: permission denied"),
        (404, "FATAL: file does not exist"),
    ],
)
def test_refused_downloads(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, status: int, text: str
) -> None:
    """Final for the command; the stage as a whole has its attempts, and the script never begins."""
    dependency = make(coordinator)
    coordinator.faults.add(Fault(Endpoint.DOWNLOAD, status=status, times=None))
    job, output = run(
        coordinator, "echo never", status="failed", dependencies=[dependency],
        variables={"ARTIFACT_DOWNLOAD_ATTEMPTS": "2", "FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY": "false"},
    )  # fmt: skip
    assert output.count(text) == 2
    assert "never" not in output.splitlines()
    assert job.failure_reason == "script_failure"


def test_a_forged_archive(coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path) -> None:
    """An entry that leads out of the work tree ends the download, by its name."""
    dependency = make(coordinator)
    with zipfile.ZipFile(coordinator.job(dependency).artifacts["archive"].path, "w") as forged:
        forged.writestr("../../evil", "evil")
    _, output = run(coordinator, "echo never", status="failed", dependencies=[dependency])
    assert "FATAL: '../../evil': cannot be extracted outside of the project folder" in output
    assert not list(tmp_path.rglob("evil"))


def test_provenance(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """A statement about each file goes along in the archive."""
    variables = {"RUNNER_GENERATE_ARTIFACTS_METADATA": "true", "CI_RUNNER_ID": "17", "SECRET": "hidden-value"}
    job, output = run(coordinator, MAKE, artifacts={**OUT, "name": "my"}, variables=variables)
    assert "Generating artifacts statement" in output
    with zipfile.ZipFile(job.artifacts["archive"].path) as archive:
        text = archive.read("my-metadata.json").decode()
    statement = json.loads(text)
    assert statement["_type"] == "https://in-toto.io/Statement/v0.1"
    assert [one["name"] for one in statement["subject"]] == ["out/one", "out/x.tmp"]
    assert statement["subject"][0]["digest"]["sha256"].startswith("2c8b08da5ce60398e1f19af0e5dccc74")
    details = statement["predicate"]["runDetails"]
    assert details["metadata"]["invocationId"] == str(job.id)
    assert details["builder"]["id"].endswith("/-/runners/17")
    assert "SECRET" in statement["predicate"]["buildDefinition"]["externalParameters"]
    assert "hidden-value" not in text


def test_the_token_is_in_no_process_list(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """While an upload runs, no process of the job has the job token among its arguments."""
    fault = coordinator.faults.add(Fault(Endpoint.UPLOAD, delay=3.0))
    job_id = coordinator.enqueue(script=[MAKE], artifacts=OUT)
    runner.until(
        lambda: any("artifacts-uploader" in _line(one) for one in runner.leftovers()), "an upload runs"
    )
    token = coordinator.job(job_id).token
    lines = [_line(one) for one in runner.leftovers()]
    assert any("artifacts-uploader" in one for one in lines)
    assert not any(token in one for one in lines)
    assert fault is not None
    coordinator.wait_for(job_id, "success")


def _line(process: Any) -> str:
    try:
        return " ".join(process.cmdline())
    except Exception:  # noqa: BLE001 - it has ended
        return ""


def test_limits_from_config(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """``[runners.artifact]``: an upload that hangs is given up, and the job fails."""
    settings = {"artifact": {"response_header_timeout": "1s", "upload_timeout": "20s"}}
    coordinator.faults.add(Fault(Endpoint.UPLOAD, delay=4.0, times=None))
    with RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner(), **settings):
        _, output = run(coordinator, MAKE, status="failed", artifacts=OUT)
    assert output.count('Uploading artifacts as "archive" to coordinator... error') == 3
