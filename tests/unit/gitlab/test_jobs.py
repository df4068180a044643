"""Asking for a job (runner-api.md 1.7, 4.5, 4.6)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from pyrunner.gitlab.cancel import Cancellation
from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.jobs import JobRequestOutcome, request_job
from pyrunner.gitlab.transport import Transport
from pyrunner.protocol.runner import runner_info
from tests.support.http_script import ScriptedServer
from tests.support.log_lines import fields, lines

from .conftest import TOKEN

INFO = runner_info("shell", "bash")
SYSTEM_ID = "s_0123456789ab"
JOB = {
    "id": 17,
    "token": "glcbt-jobsecret",
    "git_info": {"repo_url": "https://gitlab-ci-token:glcbt-jobsecret@gitlab.example.com/g/p.git"},
}


@pytest.fixture(autouse=True)
def all_lines(caplog: pytest.LogCaptureFixture) -> None:
    """See every level."""
    caplog.set_level(logging.DEBUG)


def ask(transport: Transport) -> JobRequestOutcome:
    """Ask once."""
    return request_job(transport, INFO, SYSTEM_ID)


def test_a_job(server: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture) -> None:
    """201 brings the payload as it was sent, healthy, with the answer's correlation id."""
    server.answer(201, json=JOB, headers={"X-Request-Id": "abc"})
    outcome = ask(transport)
    assert outcome.payload == JOB
    assert (outcome.healthy, outcome.status, outcome.correlation_id) == (True, 201, "abc")
    assert not outcome.retriable_seen
    request = server.requests[0]
    assert (request.method, request.target) == ("POST", "/api/v4/jobs/request")
    assert request.json == {"info": INFO, "token": TOKEN, "system_id": SYSTEM_ID}
    assert request.headers["RUNNER-TOKEN"] == TOKEN
    assert request.headers["Accept"] == "application/json"
    assert lines(caplog) == [("INFO", "Checking for jobs... received")]
    assert fields(caplog, "Checking for jobs... received") == {
        "correlation_id": "abc",
        "job": 17,
        "repo_url": "https://gitlab.example.com/g/p.git",
        "runner": "SecretSec",
        "runner_name": "orchard runner",
    }
    assert "jobsecret" not in repr(outcome)


def test_plain_http_brings_no_certificates(server: ScriptedServer, transport: Transport) -> None:
    """The TLS variables of a job are set on https only (6.4)."""
    server.answer(201, json=JOB)
    assert ask(transport).tls.ca_chain == ""


def test_the_session_goes_along(server: ScriptedServer, transport: Transport) -> None:
    """A session is offered with the request, when there is one (1.7)."""
    server.answer(204)
    session = {"url": "https://a/session/b", "certificate": "pem", "authorization": "c"}
    request_job(transport, INFO, SYSTEM_ID, session)
    assert server.requests[0].json["session"] == session


@pytest.mark.parametrize(
    ("status", "healthy", "level", "text"),
    [
        (204, True, "DEBUG", "Checking for jobs...no content"),
        (403, False, "ERROR", "Checking for jobs... forbidden"),
        (409, True, "WARNING", "Checking for jobs... failed"),
        (413, True, "WARNING", "Checking for jobs... failed"),
        (422, True, "WARNING", "Checking for jobs... failed"),
        (404, True, "WARNING", "Checking for jobs... failed"),
        (501, True, "WARNING", "Checking for jobs... failed"),
        (200, True, "WARNING", "Checking for jobs... failed"),
    ],
)
def test_answers_without_a_job(
    server: ScriptedServer,
    transport: Transport,
    caplog: pytest.LogCaptureFixture,
    status: int,
    healthy: bool,
    level: str,
    text: str,
) -> None:
    """Only 403 is unhealthy; a conflict or a bad request is asked again with the next poll (1.7)."""
    server.answer(status, json={})
    outcome = ask(transport)
    assert (outcome.payload, outcome.healthy, outcome.status) == (None, healthy, status)
    assert not outcome.retriable_seen
    assert lines(caplog) == [(level, text)]
    assert "status" in fields(caplog, text)


@pytest.mark.parametrize(
    ("status", "text"),
    [(429, "failed"), (500, "failed"), (503, "GitLab instance currently unavailable")],
)
def test_pressure_is_healthy_and_noted(
    server: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture, status: int, text: str
) -> None:
    """After the inner retries the runner stays healthy, but asks for fewer jobs at once (4.3)."""
    server.answer(status, times=5)
    outcome = ask(transport)
    assert (outcome.healthy, outcome.status, outcome.retriable_seen) == (True, status, True)
    assert lines(caplog)[-1] == ("WARNING", f"Checking for jobs... {text}")


def test_pressure_on_the_way_to_a_job_is_noted(server: ScriptedServer, transport: Transport) -> None:
    """A job that came after a 429 still halves the request concurrency (4.3)."""
    server.answer(429)
    server.answer(201, json=JOB)
    outcome = ask(transport)
    assert outcome.payload == JOB
    assert outcome.retriable_seen


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "text/html"),
        (b'{"id": 1}', "text/plain"),
        (b'{"id": 1', "application/json"),
        (b"[1]", "application/json"),
        (b"", "application/json"),
    ],
)
def test_a_success_that_is_no_json_is_a_failure(
    server: ScriptedServer, transport: Transport, body: bytes, kind: str
) -> None:
    """Media type and JSON must be right, otherwise nobody knows the job's id (0.4)."""
    server.answer(201, body, {"Content-Type": kind})
    outcome = ask(transport)
    assert (outcome.payload, outcome.healthy, outcome.status) == (None, True, -1)


def test_a_job_that_does_not_decode_is_handed_up(server: ScriptedServer, transport: Transport) -> None:
    """JSON with an id and a token is enough to report the job as failed: it must not get lost (1.7)."""
    broken = {"id": 17, "token": "t", "inputs": [{"key": "x"}], "steps": "nonsense", "git_info": 3}
    server.answer(201, json=broken)
    assert ask(transport).payload == broken


def test_no_answer_is_healthy(
    server: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    """Network trouble says nothing about the runner (8.2, trap 6); the line names call and URL."""
    server.answer(0, drop=True)
    outcome = ask(transport)
    assert (outcome.healthy, outcome.status) == (True, -1)
    status = fields(caplog, "Checking for jobs... failed")["status"]
    assert status.startswith(f"couldn't execute POST against {server.url}/api/v4/jobs/request: ")


def test_an_unusable_url_is_unhealthy(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong URL does not get better by asking (4.6)."""
    outcome = ask(Transport(RunnerCredentials("gitlab", TOKEN), environment={}))
    assert (outcome.healthy, outcome.status) == (False, -100)
    assert lines(caplog) == [("ERROR", "Checking for jobs... client error")]


def test_last_update(server: ScriptedServer, transport: Transport) -> None:
    """The mark is echoed, moves with any answer that has one, and survives a 201 and a bare 204 (4.5)."""
    server.answer(204, headers={"X-GitLab-Last-Update": "one"})
    server.answer(201, json=JOB)
    server.answer(204)
    server.answer(409, headers={"X-GitLab-Last-Update": "two"})
    server.answer(204)
    for _ in range(5):
        ask(transport)
    sent = [request.json.get("last_update") for request in server.requests]
    assert sent == [None, "one", "one", "one", "two"]


def test_a_stop_ends_the_poll(
    server: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    """At shutdown a held request ends at once, quietly and without harm to the runner's health (4.4)."""
    stop, release = Cancellation(), threading.Event()
    server.answer(204, hold=release)
    outcomes: list[JobRequestOutcome] = []
    thread = threading.Thread(
        target=lambda: outcomes.append(request_job(transport, INFO, SYSTEM_ID, stop=stop))
    )
    thread.start()
    assert server.arrived.wait(10)
    stop.set()
    thread.join(10)
    release.set()
    assert (outcomes[0].canceled, outcomes[0].healthy, outcomes[0].payload) == (True, True, None)
    assert [level for level, _ in lines(caplog)] == ["DEBUG"]


@pytest.mark.parametrize("status", [201, 204, 403])
def test_requests_are_measured(
    server: ScriptedServer, connect: Callable[..., Transport], status: int
) -> None:
    """The metrics know the call as ``request_job`` with its status (9.4)."""
    seen: list[tuple[str, str, int]] = []

    class Observer:
        def request_finished(self, endpoint: str, method: str, status: int, seconds: float) -> None:
            assert seconds >= 0
            seen.append((endpoint, method, status))

        def attempts_made(self, path: str, method: str, attempts: int) -> None:
            assert (path, method, attempts) == ("/api/v4/jobs/request", "POST", 1)

    server.answer(status, json=JOB)
    ask(connect(observer=Observer()))
    assert seen == [("request_job", "POST", status)]
