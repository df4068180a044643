"""Faults over real HTTP: what the network and a busy server do to a runner."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from pyrunner.coordinator.faults import Endpoint, Fault
from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.plain_runner import PlainRunner

pytestmark = pytest.mark.integration


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator) -> PlainRunner:
    """A runner with a running job, the first of the coordinator."""
    coordinator.enqueue(job_id=1)
    client = PlainRunner(coordinator.url, coordinator.add_runner())
    client.take()
    return client


def test_a_status_replaces_the_answer_and_the_call(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """Nothing is applied; the next call is."""
    coordinator.faults.fail(Endpoint.TRACE, 502)
    assert runner.patch(b"x").status_code == 502
    assert coordinator.trace(1) == b""
    assert runner.patch(b"x").status_code == 202
    assert coordinator.violations == []


def test_rate_limits_carry_their_header(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """429 with `Retry-After`, as often as asked."""
    coordinator.faults.rate_limit(Endpoint.UPDATE, 7, times=2)
    for state in ("running", "success"):
        answer = runner.put(state)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert runner.put("success").status_code == 200


def test_final_updates_can_be_accepted_only(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """n x 202 with an interval."""
    coordinator.faults.accepted(times=2, interval=5)
    answers = [runner.put("success") for _ in range(3)]
    assert [one.status_code for one in answers] == [202, 202, 200]
    assert answers[0].headers["X-GitLab-Trace-Update-Interval"] == "5"
    assert coordinator.violations == []


def test_a_refused_trace_is_lost(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """412, after which a complete resend is accepted."""
    runner.patch(b"hello")
    coordinator.faults.refuse_trace()
    assert runner.put("success").status_code == 412
    assert coordinator.trace(1) == b""
    assert runner.patch(b"hello", start=0).status_code == 202
    assert runner.put("success").status_code == 200
    assert coordinator.violations == []


def test_a_lost_part_of_the_trace_is_asked_for_again(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """416 with what is left."""
    runner.patch(b"hello")
    coordinator.faults.lose_trace(2)
    answer = runner.patch(b" world")
    assert (answer.status_code, answer.headers["Range"]) == (416, "0-2")
    assert runner.patch(b"llo world", start=2).status_code == 202
    assert coordinator.trace(1) == b"hello world"


@pytest.mark.parametrize(("when", "stored"), [("before", b""), ("after", b"x")])
def test_a_connection_can_be_lost_before_or_after(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, when: str, stored: bytes
) -> None:
    """No answer in either case; only after, the call was carried out."""
    coordinator.faults.drop_connection(Endpoint.TRACE, when)
    with pytest.raises(requests.ConnectionError):
        runner.patch(b"x")
    assert coordinator.trace(1) == stored
    assert coordinator.requests[-1].status == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Endpoint.REQUEST, status=201, body="{"),
        Fault(Endpoint.REQUEST, status=201, body="<html>", content_type="text/html"),
    ],
)
def test_malformed_answers(coordinator: EmbeddedCoordinator, runner: PlainRunner, fault: Fault) -> None:
    """The status of success with something else in the body."""
    coordinator.faults.add(fault)
    answer = runner.call("POST", "/jobs/request", json={})
    assert (answer.status_code, answer.text) == (201, fault.body)
    assert answer.headers["Content-Type"].startswith(fault.content_type)


def test_an_answer_can_be_cut_off(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """A job that was handed out and did not arrive: the server believes that it runs."""
    job_id = coordinator.enqueue()
    coordinator.faults.add(Fault(Endpoint.REQUEST, cut=100))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        runner.request()
    assert coordinator.job(job_id).state == "running"


def test_a_replaced_answer_may_still_apply(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """A gateway that times out although GitLab did the work."""
    coordinator.faults.add(Fault(Endpoint.TRACE, status=504, apply=True))
    assert runner.patch(b"x").status_code == 504
    assert coordinator.trace(1) == b"x"
    assert runner.patch(b"x").status_code == 416


def test_a_refused_trace_excuses_a_short_one(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """After 404 on PATCH a runner gives the rest of the trace up and ends the job (5.4)."""
    runner.patch(b"hello")
    coordinator.faults.fail(Endpoint.TRACE, 404)
    runner.patch(b" world")
    runner.sent = b"hello world"
    assert runner.put("success").status_code == 200
    assert coordinator.violations == []


@pytest.mark.parametrize("endpoint", [Endpoint.UPLOAD, Endpoint.DOWNLOAD])
def test_artifacts_have_faults_too(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, endpoint: Endpoint
) -> None:
    """Uploads and downloads fail like the rest."""
    coordinator.faults.fail(endpoint, 503)
    calls: dict[str, Any] = {
        "upload": lambda: runner.upload(b"x" * 100_000),
        "download": lambda: runner.download(1),
    }
    assert calls[endpoint]().status_code == 503
