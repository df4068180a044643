"""A runner's own record: register, verify, unregister, reset (runner-api.md 1.1-1.6)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.runners import (
    Outcome,
    RegisterParameters,
    RunnerResult,
    register,
    reset_token,
    reset_token_with_pat,
    unregister,
    unregister_manager,
    verify,
)
from pyrunner.gitlab.transport import Transport
from pyrunner.protocol.runner import runner_info
from tests.support.http_script import ScriptedServer
from tests.support.log_lines import fields, lines

from .conftest import TOKEN

INFO = runner_info("shell", "bash")
SYSTEM_ID = "s_0123456789ab"
OTHER = "LegacyAuthenticationToken"


@pytest.fixture(autouse=True)
def all_lines(caplog: pytest.LogCaptureFixture) -> None:
    """See every level."""
    caplog.set_level(logging.DEBUG)


def test_registration_on_the_wire(
    server: ScriptedServer, connect: Callable[..., Transport], caplog: pytest.LogCaptureFixture
) -> None:
    """Token in header and body, tags as text, Accept for the answer; empty members are left out (1.1)."""
    answer = {"id": 7, "token": "glrtr-new", "token_expires_at": "2026-12-01T10:00:00.000Z"}
    server.answer(201, json=answer)
    parameters = RegisterParameters(description="orchard", tag_list="a,b", maximum_timeout=600)
    result = register(connect("GR1348941secret"), parameters, runner_info())
    request = server.requests[0]
    assert (request.method, request.target) == ("POST", "/api/v4/runners")
    assert request.headers["RUNNER-TOKEN"] == "GR1348941secret"
    assert request.headers["Accept"] == "application/json"
    assert request.json == {
        "token": "GR1348941secret",
        "description": "orchard",
        "tag_list": "a,b",
        "maximum_timeout": 600,
        "run_untagged": False,
        "locked": True,
        "paused": False,
        "info": runner_info(),
    }
    assert (result.outcome, result.id, result.token) == (Outcome.SUCCEEDED, 7, "glrtr-new")
    assert result.token_expires_at == datetime(2026, 12, 1, 10, tzinfo=UTC)
    assert result.token_obtained_at is not None
    assert result.token_obtained_at.microsecond == 0
    assert datetime.now(UTC) - result.token_obtained_at < timedelta(minutes=1)
    assert "glrtr-new" not in repr(result)
    assert lines(caplog) == [("INFO", "Registering runner... succeeded")]


def test_without_tags_untagged_jobs_run(server: ScriptedServer, transport: Transport) -> None:
    """A runner without tags that refuses untagged jobs would never run any (1.1)."""
    server.answer(201, json={"id": 1, "token": "x", "token_expires_at": None})
    assert register(transport, RegisterParameters(), runner_info()).token_expires_at is None
    assert server.requests[0].json["run_untagged"] is True


@pytest.mark.parametrize(
    ("status", "outcome", "text"),
    [
        (403, Outcome.FORBIDDEN, "forbidden (check registration token)"),
        (400, Outcome.FAILED, "failed"),
        (410, Outcome.FAILED, "failed"),
        (422, Outcome.FAILED, "failed"),
        (500, Outcome.FAILED, "failed"),
        (200, Outcome.FAILED, "failed"),
    ],
)
def test_refused_registrations(
    server: ScriptedServer,
    transport: Transport,
    caplog: pytest.LogCaptureFixture,
    status: int,
    outcome: Outcome,
    text: str,
) -> None:
    """Only 201 registers; 403 points at the token (1.1)."""
    server.answer(status, json={"message": "no"}, times=5)
    assert register(transport, RegisterParameters(), runner_info()).outcome is outcome
    assert ("ERROR", f"Registering runner... {text}") in lines(caplog)


@pytest.mark.parametrize(
    ("token", "status", "line", "outcome"),
    [
        (TOKEN, 200, ("INFO", "is valid"), Outcome.SUCCEEDED),
        (OTHER, 200, ("INFO", "is alive"), Outcome.SUCCEEDED),
        (TOKEN, 403, ("INFO", "is not valid"), Outcome.FORBIDDEN),
        (OTHER, 403, ("ERROR", "is removed"), Outcome.FORBIDDEN),
        (TOKEN, 422, ("ERROR", "failed"), Outcome.FAILED),
        (OTHER, 404, ("ERROR", "failed"), Outcome.FAILED),
    ],
)
def test_verify(
    server: ScriptedServer,
    connect: Callable[..., Transport],
    caplog: pytest.LogCaptureFixture,
    token: str,
    status: int,
    line: tuple[str, str],
    outcome: Outcome,
) -> None:
    """Only 403 means that a runner is gone; the words depend on the kind of token (1.2)."""
    server.answer(status, json={"id": 5, "token": token, "token_expires_at": None})
    result = verify(connect(token), SYSTEM_ID, INFO)
    assert result.outcome is outcome
    assert result.still_exists is (status != 403)
    level, text = line
    assert lines(caplog) == [(level, f"Verifying runner... {text}")]
    assert server.requests[0].json == {"info": INFO, "token": token, "system_id": SYSTEM_ID}
    assert server.requests[0].headers["RUNNER-TOKEN"] == token


def test_an_empty_system_id_is_left_out(server: ScriptedServer, transport: Transport) -> None:
    """``system_id`` is omitted when empty (1.2)."""
    server.answer(200, json={"id": 5})
    verify(transport, "", INFO)
    assert "system_id" not in server.requests[0].json


def test_old_servers_answer_verify_with_text(server: ScriptedServer, transport: Transport) -> None:
    """A success that is not JSON is asked again without expecting a body; then 200 is valid, id 0 (1.2)."""
    server.answer(200, b"200", {"Content-Type": "text/plain"}, times=2)
    result = verify(transport, SYSTEM_ID, INFO)
    assert (result.outcome, result.id) == (Outcome.SUCCEEDED, 0)
    first, second = server.requests
    assert first.headers["Accept"] == "application/json"
    assert "accept" not in second.header_names
    assert first.json == second.json


def test_an_outage_keeps_the_runner(server: ScriptedServer, transport: Transport) -> None:
    """No answer at all is asked once more, then counted as still existing (8.2, trap 7)."""
    server.answer(0, drop=True, times=2)
    result = verify(transport, SYSTEM_ID, INFO)
    assert (result.outcome, result.status, result.still_exists) == (Outcome.FAILED, -1, True)
    assert len(server.requests) == 2


def test_unregister_on_the_wire(
    server: ScriptedServer, connect: Callable[..., Transport], caplog: pytest.LogCaptureFixture
) -> None:
    """DELETE carries a JSON body, and the manager's always names the system (1.3, 1.4)."""
    server.answer(204, times=2)
    assert unregister(connect(OTHER)).succeeded
    assert unregister_manager(connect(), "").succeeded
    runner, manager = server.requests
    assert (runner.method, runner.target, runner.json) == ("DELETE", "/api/v4/runners", {"token": OTHER})
    assert (manager.method, manager.target) == ("DELETE", "/api/v4/runners/managers")
    assert manager.json == {"token": TOKEN, "system_id": ""}
    assert manager.headers["RUNNER-TOKEN"] == TOKEN
    assert manager.headers["Content-Type"] == "application/json"
    assert "accept" not in manager.header_names
    assert lines(caplog) == [
        ("INFO", "Unregistering runner from GitLab succeeded"),
        ("INFO", "Unregistering runner manager from GitLab succeeded"),
    ]


@pytest.mark.parametrize(("status", "text"), [(403, "forbidden"), (404, "failed"), (200, "failed")])
def test_refused_unregistering(
    server: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture, status: int, text: str
) -> None:
    """Only 204 unregisters (1.3)."""
    server.answer(status)
    assert not unregister_manager(transport, SYSTEM_ID).succeeded
    assert lines(caplog) == [("ERROR", f"Unregistering runner manager from GitLab {text}")]


def test_reset_with_the_own_token(
    server: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    """The token is in the body only; success is 201 and may leave the expiry out (1.5)."""
    server.answer(201, json={"token": "glrt-new"})
    result = reset_token(transport)
    request = server.requests[0]
    assert request.target == "/api/v4/runners/reset_authentication_token"
    assert request.json == {"token": TOKEN}
    assert not {"runner-token", "private-token"} & set(request.header_names)
    assert (result.outcome, result.token, result.token_expires_at) == (Outcome.SUCCEEDED, "glrt-new", None)
    assert lines(caplog) == [("INFO", "Resetting runner authentication token... succeeded")]


def test_reset_with_a_personal_access_token(server: ScriptedServer, transport: Transport) -> None:
    """The PAT is in its header, the body is the literal ``null`` (1.6; 8.2, trap 26)."""
    server.answer(201, json={"token": "glrt-new", "token_expires_at": "2027-01-01T00:00:00Z"})
    result = reset_token_with_pat(transport, 42, "glpat-secret")
    request = server.requests[0]
    assert request.target == "/api/v4/runners/42/reset_authentication_token"
    assert request.headers["PRIVATE-TOKEN"] == "glpat-secret"
    assert (request.body, request.headers["Content-Type"]) == (b"null", "application/json")
    assert result.token_expires_at == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "text"), [(403, "failed (check used token)"), (404, "failed"), (200, "failed")]
)
def test_refused_resets(
    server: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture, status: int, text: str
) -> None:
    """Only 201 resets; 200 is a failure (1.5)."""
    server.answer(status, json={"token": "x"})
    assert not reset_token(transport).succeeded
    assert lines(caplog) == [("ERROR", f"Resetting runner authentication token... {text}")]


@pytest.mark.parametrize(
    "call",
    [
        lambda one: register(one, RegisterParameters(), INFO),
        lambda one: verify(one, SYSTEM_ID, INFO),
        lambda one: unregister(one),
        lambda one: unregister_manager(one, SYSTEM_ID),
        lambda one: reset_token(one),
        lambda one: reset_token_with_pat(one, 1, "p"),
    ],
)
def test_an_unusable_url_is_a_client_error(
    caplog: pytest.LogCaptureFixture, call: Callable[[Transport], RunnerResult]
) -> None:
    """Every call reports -100 the same way (0.4), and a runner behind it is not gone."""
    result = call(Transport(RunnerCredentials("gitlab", TOKEN), environment={}))
    assert (result.outcome, result.status, result.still_exists) == (Outcome.CLIENT_ERROR, -100, True)
    ((level, text),) = lines(caplog)
    assert level == "ERROR"
    assert text.endswith(" client error")


@pytest.mark.parametrize(
    "answer",
    [{"id": "7"}, {"id": True}, {"token": 7}, {"token_expires_at": 7}, {"token_expires_at": "tomorrow"}, [1]],
)
def test_a_member_of_a_wrong_type_fails_the_answer(
    server: ScriptedServer, transport: Transport, answer: Any
) -> None:
    """As in Go, a wrong type anywhere fails the whole body (0.4)."""
    server.answer(201, json=answer)
    result = register(transport, RegisterParameters(), INFO)
    assert (result.outcome, result.status) == (Outcome.FAILED, -1)


def test_fields_of_the_lines(
    server: ScriptedServer, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    """Lines carry correlation id, short token and name, on errors the status; never the token (2.4)."""
    server.answer(500, headers={"X-Request-Id": "abc"}, times=5)
    unregister(transport)
    assert fields(caplog, "Unregistering runner from GitLab failed") == {
        "correlation_id": "abc",
        "runner": "SecretSec",
        "runner_name": "orchard runner",
        "status": "500 Internal Server Error",
    }
    assert TOKEN not in caplog.text
    assert not any(TOKEN in str(vars(record)) for record in caplog.records)
