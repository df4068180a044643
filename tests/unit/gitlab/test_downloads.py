"""Fetching artifacts (runner-api.md 1.12, 6.2, 7.3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import PyrunnerError, RequestCanceled
from pyrunner.gitlab.cancel import Cancellation
from pyrunner.gitlab.credentials import JobCredentials, RunnerCredentials
from pyrunner.gitlab.direct import DirectTransport
from pyrunner.gitlab.downloads import DownloadResult, DownloadState, download_artifacts
from pyrunner.gitlab.streams import Streaming
from pyrunner.gitlab.transport import Transport
from tests.support.http_script import ScriptedServer
from tests.support.log_lines import fields, lines

JOB = JobCredentials(9, "glcbt-64_jobsecret")
SUBJECT = "Downloading artifacts from coordinator..."
DIRECT = "/api/v4/jobs/9/artifacts?direct_download=true"
PLAIN = "/api/v4/jobs/9/artifacts"


@pytest.fixture(params=[Transport, DirectTransport])
def transport(
    request: pytest.FixtureRequest, server: ScriptedServer, waits: list[float]
) -> Iterator[Transport | DirectTransport]:
    """Each test is about both ways to the coordinator."""
    options: dict[str, Any] = {} if request.param is DirectTransport else {"environment": {}}
    credentials = RunnerCredentials(server.url, "glrt-t1_SecretSecretSecret")
    made = request.param(credentials, sleep=waits.append, uniform=lambda _low, high: high, **options)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def all_lines(caplog: pytest.LogCaptureFixture) -> None:
    """See every level."""
    caplog.set_level(logging.DEBUG)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return where the archive goes."""
    return tmp_path / "artifacts"


def download(
    transport: Streaming, target: Path, direct: bool = True, pauses: list[float] | None = None
) -> DownloadResult:
    """Download; pauses between the runs are noted instead of made."""
    noted: list[float] = [] if pauses is None else pauses
    return download_artifacts(transport, JOB, target, direct=direct, sleep=noted.append)


def test_proxied_by_the_coordinator(
    server: ScriptedServer, transport: Streaming, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """200 to the first request: the file is in it (7.3, step 1)."""
    content = bytes(range(256)) * 10_000
    server.answer(200, content, {"Content-Type": "application/octet-stream", "X-Request-Id": "abc"})
    sizes: list[int] = []
    result = download_artifacts(transport, JOB, target, on_bytes=sizes.append)
    assert target.read_bytes() == content
    assert (result.state, result.size) == (DownloadState.SUCCEEDED, len(content))
    assert sum(sizes) == len(content)
    assert (server.requests[0].method, server.requests[0].target) == ("GET", DIRECT)
    assert server.requests[0].headers["JOB-TOKEN"] == JOB.token
    assert lines(caplog) == [("INFO", f"{SUBJECT} ok")]
    expected = {"id": 9, "token": "64_jobsec", "correlation_id": "abc", "status": 200}
    assert fields(caplog, f"{SUBJECT} ok") == expected


@pytest.mark.parametrize("status", [302, 307])
def test_direct_download_asks_the_api_twice(
    server: ScriptedServer,
    transport: Streaming,
    target: Path,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    """A redirect is announced, then the API is asked again and followed, token and all (8.2, trap 28)."""
    with ScriptedServer() as storage:
        location = f"{storage.url}/bucket/artifacts.zip?X-Signature=secret"
        server.answer(status, headers={"Location": location}, times=2)
        storage.answer(200, b"PK")
        assert download(transport, target).state is DownloadState.SUCCEEDED
        assert storage.requests[0].target == "/bucket/artifacts.zip?X-Signature=secret"
        assert storage.requests[0].headers["JOB-TOKEN"] == JOB.token
        place = f"127.0.0.1:{storage.port}"
    assert target.read_bytes() == b"PK"
    assert [request.target for request in server.requests] == [DIRECT, DIRECT]
    assert lines(caplog) == [("INFO", f"Direct download from {place}"), ("INFO", f"{SUBJECT} ok")]
    assert "X-Signature" not in str(lines(caplog))


def test_without_the_flag_there_is_one_plain_request(
    server: ScriptedServer, transport: Streaming, target: Path
) -> None:
    """``FF_USE_DIRECT_DOWNLOAD`` off: no parameter, redirects followed (7.3)."""
    server.answer(302, headers={"Location": "/file"})
    server.answer(200, b"PK")
    assert download(transport, target, direct=False).state is DownloadState.SUCCEEDED
    assert [request.target for request in server.requests] == [PLAIN, "/file"]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (401, DownloadState.UNAUTHORIZED),
        (403, DownloadState.FORBIDDEN),
        (404, DownloadState.NOT_FOUND),
    ],
)
@pytest.mark.parametrize("direct", [True, False])
def test_final_refusals(
    server: ScriptedServer,
    transport: Streaming,
    target: Path,
    caplog: pytest.LogCaptureFixture,
    status: int,
    state: DownloadState,
    direct: bool,
) -> None:
    """401, 403 and 404 are not tried again (7.3)."""
    server.answer(status, json={"message": "no"})
    result = download(transport, target, direct)
    assert (result.state, result.status) == (state, status)
    assert len(server.requests) == 1
    assert lines(caplog) == [("ERROR", f"{SUBJECT} {state}")]
    assert not target.exists()


def test_a_refusal_of_the_object_storage_says_why(
    server: ScriptedServer, transport: Streaming, target: Path
) -> None:
    """The 403 behind a redirect may be XML with the reason (7.3)."""
    server.answer(302, headers={"Location": "/file"}, times=2)
    body = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>perimeter</Message></Error>"
    server.answer(403, body, {"Content-Type": "application/xml"})
    result = download(transport, target)
    assert (result.state, result.text) == (DownloadState.FORBIDDEN, "403 Forbidden (AccessDenied: perimeter)")


def test_failures_are_tried_three_times_and_only_the_first_directly(
    server: ScriptedServer, transport: Streaming, target: Path, waits: list[float]
) -> None:
    """Three runs a second apart; the first request has no inner retry, later ones do (6.1, 6.2)."""
    server.answer(500, times=12)
    pauses: list[float] = []
    assert download(transport, target, pauses=pauses).state is DownloadState.FAILED
    assert pauses == [1.0, 1.0]
    targets = [request.target for request in server.requests]
    assert targets == [DIRECT] + [PLAIN] * 10
    assert len(waits) == 8


@pytest.mark.parametrize("status", [301, 303, 308])
def test_other_redirects_of_the_first_request_are_failures(
    server: ScriptedServer, transport: Streaming, target: Path, status: int
) -> None:
    """Only 302 and 307 mean object storage; the next run follows whatever comes (7.3)."""
    server.answer(status, headers={"Location": "/file"})
    server.answer(200, b"PK")
    assert download(transport, target).state is DownloadState.SUCCEEDED
    assert [request.target for request in server.requests] == [DIRECT, PLAIN]


def test_a_cut_download_starts_over(
    server: ScriptedServer, transport: Streaming, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file shorter than announced is not taken for the archive; nothing of it stays."""
    server.answer(200, b"0123456789", cut=4)
    server.answer(200, b"PK")
    assert download(transport, target).state is DownloadState.SUCCEEDED
    assert target.read_bytes() == b"PK"
    assert lines(caplog)[0] == ("ERROR", f"{SUBJECT} error")


def test_an_unusable_url_fails(target: Path) -> None:
    """There is nobody to ask."""
    result = download(Transport(RunnerCredentials("gitlab", "t"), environment={}), target)
    assert (result.state, result.status) == (DownloadState.FAILED, -100)


def test_a_target_that_cannot_be_written_is_told_at_once(
    server: ScriptedServer, transport: Streaming, tmp_path: Path
) -> None:
    """A full disk or a missing folder is not the network's fault: no retry."""
    server.answer(200, b"PK")
    with pytest.raises(PyrunnerError, match="cannot write"):
        download(transport, tmp_path / "missing" / "artifacts")
    assert len(server.requests) == 1


def test_a_stop_ends_the_download(server: ScriptedServer, transport: Streaming, target: Path) -> None:
    """Also while the body is read."""
    stop = Cancellation()
    server.answer(200, b"x" * 50_000_000)
    with pytest.raises(RequestCanceled):
        download_artifacts(transport, JOB, target, stop=stop, on_bytes=lambda _size: stop.set())
