"""State and trace of a running job: the tables of runner-api.md 1.8 and 1.9, row by row."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pyrunner.gitlab.cancel import Cancellation
from pyrunner.gitlab.credentials import JobCredentials, RunnerCredentials
from pyrunner.gitlab.transport import Transport
from pyrunner.gitlab.updates import JobUpdate, PatchState, UpdateState, patch_trace, update_job
from pyrunner.protocol.runner import runner_info
from pyrunner.protocol.states import FailureReason, JobState
from tests.support.http_script import ScriptedServer
from tests.support.log_lines import fields, lines

INFO = runner_info("shell", "bash")
JOB = JobCredentials(17, "glcbt-jobsecret")
RUNNING = JobUpdate(JobState.RUNNING)
SUBMITTING = "Submitting job to coordinator..."
APPENDING = "Appending trace to coordinator..."


@pytest.fixture(autouse=True)
def all_lines(caplog: pytest.LogCaptureFixture) -> None:
    """See every level."""
    caplog.set_level(logging.DEBUG)


@pytest.mark.parametrize(
    ("update", "members"),
    [
        (RUNNING, {"state": "running", "output": {}}),
        (
            JobUpdate(JobState.SUCCESS, checksum="crc32:0badcafe", bytesize=12),
            {
                "state": "success",
                "checksum": "crc32:0badcafe",
                "output": {"checksum": "crc32:0badcafe", "bytesize": 12},
            },
        ),
        (
            JobUpdate(JobState.FAILED, FailureReason.SCRIPT_FAILURE, exit_code=3),
            {"state": "failed", "failure_reason": "script_failure", "exit_code": 3, "output": {}},
        ),
        (
            JobUpdate(JobState.FAILED, "job_canceled"),
            {"state": "failed", "failure_reason": "job_canceled", "output": {}},
        ),
        (
            JobUpdate(JobState.FAILED, exit_code=4294967295),
            {"state": "failed", "exit_code": -1, "output": {}},
        ),
        (JobUpdate(JobState.SUCCESS, FailureReason.SCRIPT_FAILURE), {"state": "success", "output": {}}),
    ],
)
def test_update_on_the_wire(
    server: ScriptedServer, transport: Transport, update: JobUpdate, members: dict[str, Any]
) -> None:
    """Token in header and body, full info, ``output`` always; zero and empty members stay out (1.8)."""
    server.answer(200, b"200", {"Content-Type": "text/plain"})
    assert update_job(transport, JOB, update, INFO).state is UpdateState.SUCCEEDED
    request = server.requests[0]
    assert (request.method, request.target) == ("PUT", "/api/v4/jobs/17")
    assert request.json == {"info": INFO, "token": JOB.token, **members}
    assert request.headers["JOB-TOKEN"] == JOB.token
    assert request.headers["Content-Type"] == "application/json"
    assert not {"accept", "runner-token"} & set(request.header_names)


@pytest.mark.parametrize(
    ("status", "job_status", "state", "level", "text"),
    [
        (200, "", UpdateState.SUCCEEDED, "INFO", "ok"),
        (200, "running", UpdateState.SUCCEEDED, "INFO", "ok"),
        (200, "failed", UpdateState.ABORT, "WARNING", " job failed"),
        (200, "canceled", UpdateState.ABORT, "WARNING", " job failed"),
        (202, "", UpdateState.ACCEPTED_BUT_NOT_COMPLETED, "INFO", "accepted, but not yet completed"),
        (202, "canceled", UpdateState.ABORT, "WARNING", " job failed"),
        (403, "", UpdateState.ABORT, "WARNING", " job failed"),
        (403, "success", UpdateState.ABORT, "WARNING", " job failed"),
        (412, "", UpdateState.TRACE_VALIDATION_FAILED, "INFO", "trace validation failed"),
        (404, "", UpdateState.ABORT, "WARNING", " not found"),
        (400, "", UpdateState.FAILED, "WARNING", " failed"),
        (409, "", UpdateState.FAILED, "WARNING", " failed"),
        (501, "", UpdateState.FAILED, "WARNING", " failed"),
        (201, "", UpdateState.FAILED, "WARNING", " failed"),
    ],
)
def test_update_results(
    server: ScriptedServer,
    transport: Transport,
    caplog: pytest.LogCaptureFixture,
    status: int,
    job_status: str,
    state: UpdateState,
    level: str,
    text: str,
) -> None:
    """``Job-Status`` and 403 come before the status; the lines keep gitlab-runner's blanks (1.8)."""
    server.answer(status, headers={"Job-Status": job_status} if job_status else {})
    result = update_job(transport, JOB, RUNNING, INFO)
    assert (result.state, result.status, result.job_status) == (state, status, job_status)
    assert lines(caplog) == [("INFO", "Updating job..."), (level, SUBMITTING + text)]
    assert ("status" in fields(caplog, SUBMITTING + text)) is (level != "INFO")


@pytest.mark.parametrize("status", [200, 202, 500])
def test_canceling_stands_next_to_the_result(
    server: ScriptedServer, transport: Transport, status: int
) -> None:
    """A graceful cancel is announced on any answer and does not change its result (5.6)."""
    server.answer(status, headers={"Job-Status": "canceling"}, times=10)
    result = update_job(transport, JOB, RUNNING, INFO)
    assert result.cancel_requested
    assert result.state is not UpdateState.ABORT
    assert patch_trace(transport, JOB, b"x", 0).cancel_requested


@pytest.mark.parametrize(
    ("header", "interval"),
    [
        ("3", 3),
        ("60", 60),
        ("900", 900),
        ("901", 900),
        ("0", None),
        ("-5", None),
        ("soon", None),
        (None, None),
    ],
)
def test_the_update_interval(
    server: ScriptedServer, transport: Transport, header: str | None, interval: int | None
) -> None:
    """Whole seconds up to 900 on any answer; anything else is ignored (5.5)."""
    headers = {} if header is None else {"X-GitLab-Trace-Update-Interval": header}
    server.answer(200, headers=headers)
    server.answer(416, headers=headers)
    assert update_job(transport, JOB, RUNNING, INFO).interval == interval
    assert patch_trace(transport, JOB, b"x", 0).interval == interval


def test_fields_of_an_update(
    server: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    """The lines carry what dashboards read, and no token (config-and-commands.md 5)."""
    headers = {"X-Request-Id": "abc", "X-GitLab-Trace-Update-Interval": "60", "Job-Status": "running"}
    server.answer(202, headers=headers)
    update_job(transport, JOB, JobUpdate(JobState.SUCCESS, checksum="crc32:00000001", bytesize=5), INFO)
    sent = server.requests[0].headers["X-Request-Id"]
    common = {
        "bytesize": 5,
        "checksum": "crc32:00000001",
        "job": 17,
        "runner": "SecretSec",
        "runner_name": "orchard runner",
    }
    assert fields(caplog, "Updating job...") == {**common, "correlation_id": sent}
    assert fields(caplog, f"{SUBMITTING}accepted, but not yet completed") == {
        **common,
        "code": 202,
        "correlation_id": "abc",
        "job-status": "running",
        "update-interval": timedelta(seconds=60),
    }
    assert not any("jobsecret" in str(vars(record)) for record in caplog.records)


def test_an_update_without_an_answer_fails(server: ScriptedServer, transport: Transport) -> None:
    """Network trouble is "failed", never an abort: the job goes on (1.8, row 7)."""
    server.answer(0, drop=True)
    result = update_job(transport, JOB, RUNNING, INFO)
    assert (result.state, result.status, result.interval) == (UpdateState.FAILED, -1, None)


def test_an_unusable_url_aborts_an_update(caplog: pytest.LogCaptureFixture) -> None:
    """Row 6: no client, no job. A patch merely fails, as the next one will (1.9)."""
    nowhere = Transport(RunnerCredentials("gitlab", "t"), environment={})
    assert update_job(nowhere, JOB, RUNNING, INFO).state is UpdateState.ABORT
    assert lines(caplog)[-1] == ("ERROR", f"{SUBMITTING} client error")
    assert patch_trace(nowhere, JOB, b"x", 0).state is PatchState.FAILED


def test_a_stop_fails_update_and_patch(server: ScriptedServer, transport: Transport) -> None:
    """After a stop nothing is sent, and nothing is aborted: the next start ships the rest."""
    stop = Cancellation()
    stop.set()
    assert update_job(transport, JOB, RUNNING, INFO, stop).state is UpdateState.FAILED
    result = patch_trace(transport, JOB, b"x", 5, stop=stop)
    assert (result.state, result.offset) == (PatchState.FAILED, 5)
    assert server.requests == []


def test_patch_on_the_wire(server: ScriptedServer, transport: Transport) -> None:
    """Raw bytes as text/plain, an inclusive range without unit, ``debug_trace`` always (1.9)."""
    server.answer(202, times=2)
    content = b"\x00\xff" + b"x" * (1024 * 1024 - 2)
    result = patch_trace(transport, JOB, content, 10)
    patch_trace(transport, JOB, b"y", result.offset, debug_trace=True)
    first, second = server.requests
    assert (first.method, first.target) == ("PATCH", "/api/v4/jobs/17/trace?debug_trace=false")
    assert second.target == "/api/v4/jobs/17/trace?debug_trace=true"
    assert first.body == content
    assert first.headers["Content-Range"] == "10-1048585"
    assert second.headers["Content-Range"] == "1048586-1048586"
    assert first.headers["Content-Type"] == "text/plain"
    assert first.headers["Content-Length"] == "1048576"
    assert first.headers["JOB-TOKEN"] == JOB.token
    assert "accept" not in first.header_names


@pytest.mark.parametrize(
    ("status", "job_status", "there", "state", "offset", "level", "text"),
    [
        (202, "running", "0-999", PatchState.SUCCEEDED, 15, "INFO", "ok"),
        (202, "failed", "", PatchState.ABORT, 10, "WARNING", " job failed"),
        (202, "canceled", "", PatchState.ABORT, 10, "WARNING", " job failed"),
        (403, "", "", PatchState.ABORT, 10, "WARNING", " job failed"),
        (403, "running", "", PatchState.ABORT, 10, "WARNING", " job failed"),
        (404, "", "", PatchState.NOT_FOUND, 10, "WARNING", " not-found"),
        (416, "", "0-7", PatchState.RANGE_MISMATCH, 7, "WARNING", " range mismatch"),
        (416, "", "", PatchState.RANGE_MISMATCH, 0, "WARNING", " range mismatch"),
        (416, "", "7", PatchState.RANGE_MISMATCH, 0, "WARNING", " range mismatch"),
        (416, "", "0-1-2", PatchState.RANGE_MISMATCH, 0, "WARNING", " range mismatch"),
        (416, "", "0-x", PatchState.RANGE_MISMATCH, 0, "WARNING", " range mismatch"),
        (200, "", "", PatchState.FAILED, 10, "WARNING", " failed"),
        (400, "", "", PatchState.FAILED, 10, "WARNING", " failed"),
        (409, "", "", PatchState.FAILED, 10, "WARNING", " failed"),
        (501, "", "", PatchState.FAILED, 10, "WARNING", " failed"),
    ],
)
def test_patch_results(
    server: ScriptedServer,
    transport: Transport,
    caplog: pytest.LogCaptureFixture,
    status: int,
    job_status: str,
    there: str,
    state: PatchState,
    offset: int,
    level: str,
    text: str,
) -> None:
    """202 alone succeeds, by our own count; 416 resumes at the coordinator's byte count (1.9, 5.3)."""
    headers = {"Job-Status": job_status, "Range": there}
    server.answer(status, headers={key: value for key, value in headers.items() if value})
    result = patch_trace(transport, JOB, b"hello", 10)
    assert (result.state, result.offset, result.status) == (state, offset, status)
    assert lines(caplog) == [(level, APPENDING + text)]


def test_fields_of_a_patch(
    server: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    """Both ranges, status and interval are logged with every patch (config-and-commands.md 5)."""
    headers = {"X-Request-Id": "abc", "X-GitLab-Trace-Update-Interval": "3", "Job-Status": "running"}
    server.answer(202, headers={**headers, "Range": "0-15"})
    patch_trace(transport, JOB, b"hello", 10)
    assert fields(caplog, f"{APPENDING}ok") == {
        "code": 202,
        "correlation_id": "abc",
        "job": 17,
        "job-log": "0-15",
        "job-status": "running",
        "runner": "SecretSec",
        "runner_name": "orchard runner",
        "sent-log": "10-14",
        "status": "202 Accepted",
        "update-interval": timedelta(seconds=3),
    }


def test_an_empty_patch_is_not_sent(
    server: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing new is a success without a request; the server would refuse an empty body (1.9)."""
    result = patch_trace(transport, JOB, b"", 10)
    assert (result.state, result.offset) == (PatchState.SUCCEEDED, 10)
    assert server.requests == []
    assert lines(caplog) == [("INFO", f"{APPENDING}skipped due to empty patch")]


def test_a_patch_without_an_answer_fails(
    server: ScriptedServer, connect: Callable[..., Transport], caplog: pytest.LogCaptureFixture
) -> None:
    """Transport errors have their own line, with the runner's fields only, and are not measured (9.4)."""

    class Observer:
        def request_finished(self, endpoint: str, method: str, status: int, seconds: float) -> None:
            raise AssertionError("not measured")

        def attempts_made(self, path: str, method: str, attempts: int) -> None:
            assert path == "/api/v4/jobs/17/trace"

    server.answer(0, drop=True)
    result = patch_trace(connect(observer=Observer()), JOB, b"hello", 10)
    assert (result.state, result.offset, result.status) == (PatchState.FAILED, 10, -1)
    ((level, text),) = lines(caplog)
    assert level == "ERROR"
    assert text.startswith(
        f"{APPENDING} error couldn't execute PATCH against {server.url}/api/v4/jobs/17/trace"
    )
    assert set(fields(caplog, text)) == {"runner", "runner_name"}
