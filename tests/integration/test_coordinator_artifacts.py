"""Artifacts over real HTTP: uploads to disk, downloads by dependency, object storage."""

from __future__ import annotations

import hashlib

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.plain_runner import PlainRunner

pytestmark = pytest.mark.integration


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator) -> PlainRunner:
    """A runner with a running job, number 1; job 2 depends on it."""
    coordinator.enqueue(job_id=1)
    coordinator.enqueue(job_id=2, dependencies=[1])
    client = PlainRunner(coordinator.url, coordinator.add_runner())
    client.take()
    return client


def finish_and_take_next(runner: PlainRunner, content: bytes) -> None:
    """Upload an archive, end the job, take the one that depends on it."""
    assert runner.upload(content).status_code == 201
    assert runner.put("success").status_code == 200
    runner.take()


def test_an_artifact_goes_from_job_to_job(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Uploaded by one, named in the next one's dependencies, downloaded with its token."""
    content = bytes(range(256)) * 5000
    finish_and_take_next(runner, content)
    dependency = runner.job["dependencies"][0]
    assert dependency["artifacts_file"] == {"filename": "artifacts.zip", "size": len(content)}
    assert dependency["token"] == runner.job["token"]
    answer = runner.download(1)
    assert answer.content == content
    assert answer.headers["Content-Type"] == "application/octet-stream"
    artifact = coordinator.job(1).artifacts["archive"]
    assert artifact.sha256 == hashlib.sha256(content).hexdigest()
    assert coordinator.violations == []


def test_query_parameters_are_kept(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Type, format and expiry."""
    query = {"artifact_type": "junit", "artifact_format": "gzip", "expire_in": "1 week"}
    assert runner.upload(b"x", "junit.xml.gz", **query).status_code == 201
    artifact = coordinator.job(1).artifacts["junit"]
    assert (artifact.artifact_format, artifact.filename, artifact.expire_in) == (
        "gzip",
        "junit.xml.gz",
        "1 week",
    )


def test_the_same_file_again_is_fine_another_is_not(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """A repeated upload succeeds silently, one of other content is 400 (1.11)."""
    assert [runner.upload(body).status_code for body in (b"one", b"one")] == [201, 201]
    assert coordinator.violations == []
    assert runner.upload(b"two").status_code == 400
    assert [one.rule for one in coordinator.violations] == [16]
    stored = list(coordinator.store.artifact_folder(1).iterdir())
    assert stored == [coordinator.job(1).artifacts["archive"].path]


def test_the_size_limit(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """413, which the client gets to read, and nothing is left on disk."""
    coordinator.settings.max_artifact_bytes = 1000
    assert runner.upload(b"x" * 3_000_000).status_code == 413
    assert list(coordinator.store.artifact_folder(1).iterdir()) == []
    assert coordinator.violations == []


@pytest.mark.parametrize(
    "query",
    [
        {"artifact_type": "archive", "artifact_format": "gzip"},
        {"artifact_type": "poem", "artifact_format": "raw"},
        {"artifact_type": "archive", "artifact_format": "zipzstd"},
    ],
)
def test_types_and_formats_are_known(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, query: dict[str, str]
) -> None:
    """400 otherwise."""
    assert runner.upload(b"x", **query).status_code == 400
    assert {one.rule for one in coordinator.violations} == {16}


def test_an_upload_needs_the_running_job(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """403 after its end, which is not the runner's fault; 403 with a wrong token, which is."""
    coordinator.cancel(1, graceful=False)
    assert runner.upload(b"x").status_code == 403
    assert coordinator.violations == []
    runner.job["token"] = "glcbt-64_other"
    assert runner.upload(b"x").status_code == 403
    assert {one.rule for one in coordinator.violations} == {3}


def test_who_may_download(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """401 for a token of no running job, 403 for a job that is no dependency, 404 without archive."""
    assert runner.download(1).status_code == 404
    assert runner.download(2).status_code == 403
    assert runner.download(99).status_code == 403
    coordinator.cancel(1, graceful=False)
    assert runner.download(1).status_code == 401
    assert coordinator.violations == []


def test_direct_download_takes_two_requests(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """302 to another listener, ranges there; the API again with redirects followed (7.3)."""
    coordinator.enable_direct_download()
    finish_and_take_next(runner, b"0123456789")
    direct = {"direct_download": "true"}
    redirect = runner.download(1, params=direct)
    assert redirect.status_code == 302
    assert not redirect.headers["Location"].startswith(coordinator.url)
    probe = runner.call("GET", redirect.headers["Location"], headers={"Range": "bytes=0-0"})
    assert (probe.status_code, probe.content) == (206, b"0")
    assert probe.headers["Content-Range"] == "bytes 0-0/10"
    assert runner.download(1, params=direct, allow_redirects=True).content == b"0123456789"
    assert runner.download(1).content == b"0123456789"
    assert coordinator.violations == []


def test_object_storage_gives_nothing_away(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Only a signed URL is served; anything else is its XML error."""
    coordinator.enable_direct_download()
    finish_and_take_next(runner, b"0123456789")
    base = runner.download(1, params={"direct_download": "true"}).headers["Location"].rsplit("/", 2)[0]
    for path in ("/", "/1/archive", "/../traces/1.log", "/1/%2e%2e/%2e%2e/traces/1.log"):
        answer = runner.call("GET", base + path)
        assert (answer.status_code, answer.text.startswith("<Error>")) == (403, True)


def test_the_authorize_endpoint_is_workhorses(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """A runner that calls it is refused and recorded (1.10)."""
    headers = {"JOB-TOKEN": runner.job["token"]}
    assert runner.call("POST", "/jobs/1/artifacts/authorize", headers=headers).status_code == 403
    assert {one.rule for one in coordinator.violations} == {1}
