"""Uploading artifacts (runner-api.md 1.11, 6.2, 7.2)."""

from __future__ import annotations

import email
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from pyrunner.errors import RequestCanceled
from pyrunner.gitlab.artifacts import (
    ArtifactFile,
    TransferLimits,
    UploadResult,
    UploadState,
    upload_artifacts,
)
from pyrunner.gitlab.call import BodyFactory
from pyrunner.gitlab.cancel import Cancellation
from pyrunner.gitlab.credentials import JobCredentials, RunnerCredentials
from pyrunner.gitlab.direct import DirectTransport
from pyrunner.gitlab.streams import Streaming
from pyrunner.gitlab.transport import Transport
from tests.support.http_script import Received, ScriptedServer
from tests.support.log_lines import fields, lines

JOB = JobCredentials(17, "glcbt-64_jobsecret")
FILE = ArtifactFile("artifacts.zip", "archive", "zip", "1 week")
SUBJECT = 'Uploading artifacts as "archive" to coordinator...'


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


def upload(
    transport: Streaming,
    content: BodyFactory = lambda: [b"PK", b"zip"],
    file: ArtifactFile = FILE,
    pauses: list[float] | None = None,
) -> UploadResult:
    """Upload; pauses between the runs are noted instead of made."""
    noted: list[float] = [] if pauses is None else pauses
    return upload_artifacts(transport, JOB, file, content, sleep=noted.append)


def the_part(request: Received) -> email.message.Message:
    """Return the one part of a multipart request."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + request.body).get_payload()
    assert isinstance(parts, list)
    assert len(parts) == 1
    part = parts[0]
    assert isinstance(part, email.message.Message)
    return part


def test_upload_on_the_wire(
    server: ScriptedServer, transport: Streaming, caplog: pytest.LogCaptureFixture
) -> None:
    """One part named ``file``, parameters in the query, length unknown, job token in its header (7.2)."""
    server.answer(201, b"201", {"X-Request-Id": "abc"})
    result = upload(transport)
    assert (result.state, result.status) == (UploadState.SUCCEEDED, 201)
    request = server.requests[0]
    assert request.method == "POST"
    query = "artifact_format=zip&artifact_type=archive&expire_in=1+week"
    assert request.target == f"/api/v4/jobs/17/artifacts?{query}"
    assert request.chunked
    assert re.fullmatch(r"multipart/form-data; boundary=[0-9a-f]{60}", request.headers["Content-Type"])
    assert request.headers["JOB-TOKEN"] == JOB.token
    part = the_part(request)
    assert part["Content-Disposition"] == 'form-data; name="file"; filename="artifacts.zip"'
    assert part["Content-Type"] == "application/octet-stream"
    assert part.get_payload(decode=True) == b"PKzip"
    assert lines(caplog) == [("INFO", f"{SUBJECT} 201 Created")]
    expected = {"id": 17, "token": "64_jobsec", "correlation_id": "abc", "status": 201}
    assert fields(caplog, f"{SUBJECT} 201 Created") == expected


def test_empty_parameters_are_left_out(
    server: ScriptedServer, transport: Streaming, caplog: pytest.LogCaptureFixture
) -> None:
    """Without type, format and expiry there is no query, and the line names no type."""
    server.answer(201)
    upload(transport, file=ArtifactFile('we"ird\r\nname'))
    assert server.requests[0].target == "/api/v4/jobs/17/artifacts"
    assert 'filename="we\\"ird%0D%0Aname"' in server.requests[0].body.decode()
    assert lines(caplog) == [("INFO", "Uploading artifacts to coordinator... 201 Created")]


@pytest.mark.parametrize(
    ("status", "state", "level"),
    [
        (403, UploadState.FORBIDDEN, "ERROR"),
        (413, UploadState.TOO_LARGE, "ERROR"),
    ],
)
def test_final_refusals(
    server: ScriptedServer,
    transport: Streaming,
    caplog: pytest.LogCaptureFixture,
    status: int,
    state: UploadState,
    level: str,
) -> None:
    """403 and 413 are not tried again (1.11)."""
    server.answer(status, json={"message": "no"})
    result = upload(transport)
    assert (result.state, result.status) == (state, status)
    assert len(server.requests) == 1
    ((seen, text),) = lines(caplog)
    assert seen == level
    assert text.startswith(f"{SUBJECT} POST {server.url}/api/v4/jobs/17/artifacts: {status} ")
    assert text.endswith("(no)")


@pytest.mark.parametrize("status", [400, 401, 404, 405, 200])
def test_other_refusals_are_tried_three_times(
    server: ScriptedServer, transport: Streaming, status: int
) -> None:
    """Three runs, a second and two apart, each with the archive made afresh (6.2)."""
    server.answer(status, times=3)
    made: list[int] = []

    def content() -> Iterator[bytes]:
        made.append(1)
        yield b"PK"

    pauses: list[float] = []
    assert upload(transport, content, pauses=pauses).state is UploadState.FAILED
    assert pauses == [1.0, 2.0]
    assert len(server.requests) == len(made) == 3


def test_a_steady_503_means_thirty_requests(
    server: ScriptedServer, transport: Streaming, waits: list[float]
) -> None:
    """Six runs of five attempts, all of the body each time, with one boundary per run (8.2, trap 14)."""
    server.answer(503, times=31)
    pauses: list[float] = []
    assert upload(transport, pauses=pauses).state is UploadState.SERVICE_UNAVAILABLE
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert len(server.requests) == 30
    assert all(the_part(request).get_payload(decode=True) == b"PKzip" for request in server.requests)
    assert len({request.headers["Content-Type"] for request in server.requests}) == 6
    assert len(waits) == 24


def test_a_503_late_in_the_runs_ends_them_by_its_own_count(
    server: ScriptedServer, transport: Streaming
) -> None:
    """The last answer decides how many runs there are: after three, another failure ends it (6.2)."""
    server.answer(503, times=15)
    server.answer(400)
    assert upload(transport).state is UploadState.FAILED
    assert len(server.requests) == 16


def test_no_answer_is_tried_again(
    server: ScriptedServer, transport: Streaming, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken connection is a failed run; the next one may succeed."""
    server.answer(0, drop=True)
    server.answer(201)
    assert upload(transport).state is UploadState.SUCCEEDED
    assert lines(caplog)[0] == ("ERROR", f"{SUBJECT} error")
    assert "couldn't execute POST" in fields(caplog, f"{SUBJECT} error")["error"]


def test_an_unusable_url_fails() -> None:
    """There is nothing to send to."""
    result = upload(Transport(RunnerCredentials("gitlab", "t"), environment={}))
    assert (result.state, result.status) == (UploadState.FAILED, -100)


@pytest.mark.parametrize(
    "error", [OSError("disk"), BrokenPipeError("pipe"), ValueError("bad"), KeyError("zip")]
)
def test_a_failing_archive_is_the_callers(
    server: ScriptedServer, transport: Streaming, error: Exception
) -> None:
    """What the producer raises comes out unchanged and is not mistaken for the network's (no retry)."""

    def content() -> Iterator[bytes]:
        yield b"PK"
        raise error

    with pytest.raises(type(error)) as raised:
        upload(transport, content)
    assert raised.value is error
    assert server.requests == []


def test_an_archive_nobody_reads_is_closed(server: ScriptedServer, transport: Streaming) -> None:
    """However an attempt ends, its iterator is closed: it may hold threads and files."""
    closed: list[bool] = []

    def content() -> Iterator[bytes]:
        try:
            yield b"PK"
        finally:
            closed.append(True)

    server.answer(502)
    server.answer(201)
    upload(transport, content)
    assert closed == [True, True]


def test_a_stop_ends_the_upload(server: ScriptedServer, transport: Streaming) -> None:
    """A stop is raised: the caller is being stopped itself."""
    stop = Cancellation()

    def content() -> Iterator[bytes]:
        yield b"PK"
        stop.set()
        while True:
            yield b"x" * 65536

    with pytest.raises(RequestCanceled):
        upload_artifacts(transport, JOB, FILE, content, stop=stop, sleep=list[float]().append)


def test_the_time_limit_covers_each_attempt(server: ScriptedServer, transport: Streaming) -> None:
    """``upload_timeout`` ends an upload that goes on for ever, three times (6.3)."""

    def content() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    result = upload_artifacts(
        transport, JOB, FILE, content, limits=TransferLimits(timeout=0.05), sleep=list[float]().append
    )
    assert result.state is UploadState.FAILED
    assert "time limit" in result.text


def test_debug_trace_shows_the_answer(
    server: ScriptedServer, transport: Streaming, caplog: pytest.LogCaptureFixture
) -> None:
    """``CI_DEBUG_TRACE`` logs all response headers and the first 512 bytes of the body (7.2)."""
    server.answer(201, b"b" * 600, {"X-Shelf": "top"})
    upload_artifacts(transport, JOB, FILE, lambda: [b"x"], debug_trace=True)
    seen = fields(caplog, "received response")
    assert seen["header[X-Shelf]"] == ["top"]
    assert seen["body"] == "b" * 512 + "..."
