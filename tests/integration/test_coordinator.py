"""The coordinator over real HTTP: a job's life, outages, and what is left behind."""

from __future__ import annotations

import http.client
import json
import threading
from urllib.parse import urlsplit

import pytest
import requests

from pyrunner.coordinator.faults import Endpoint, Fault
from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.plain_runner import PlainRunner

pytestmark = pytest.mark.integration


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator) -> PlainRunner:
    """A well-behaved runner of the coordinator."""
    return PlainRunner(coordinator.url, coordinator.add_runner())


def rules(coordinator: EmbeddedCoordinator) -> set[int]:
    """Return the numbers of the rules that were broken."""
    return {one.rule for one in coordinator.violations}


def test_a_job_from_queue_to_success(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """The straight path breaks no rule, and everything about it can be seen afterwards."""
    seen: list[tuple[int, bytes]] = []
    coordinator.state.on_trace = lambda job_id, data: seen.append((job_id, data))
    job_id = coordinator.enqueue(script=["echo hello"])
    assert runner.take()["id"] == job_id
    assert coordinator.job(job_id).state == "running"
    answer = runner.patch(b"hello\n")
    assert answer.status_code == 202
    assert answer.headers["Range"] == "0-6"
    assert answer.headers["Job-Status"] == "running"
    assert answer.headers["X-GitLab-Trace-Update-Interval"] == "1"
    final = runner.put("success")
    assert (final.status_code, final.text, final.headers["Job-Status"]) == (200, "200", "success")
    job = coordinator.wait_for(job_id, "success")
    assert coordinator.trace(job_id) == b"hello\n"
    assert seen == [(job_id, b"hello\n")]
    names = [event.name for event in job.events]
    assert names == [
        "enqueued",
        "assigned",
        "state",
        "request",
        "update_running",
        "trace",
        "state",
        "update_final",
    ]
    assert coordinator.violations == []


def test_a_failed_job_keeps_reason_and_exit_code(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """The answer to a failing final update is 200 with `Job-Status: failed` (rule 15)."""
    job_id = coordinator.enqueue()
    runner.take()
    answer = runner.put("failed", failure_reason="script_failure", exit_code=3)
    assert (answer.status_code, answer.headers["Job-Status"]) == (200, "failed")
    job = coordinator.wait_for(job_id)
    assert (job.state, job.failure_reason, job.exit_code) == ("failed", "script_failure", 3)
    assert coordinator.violations == []


def test_a_wrong_offset_is_answered_with_the_right_one(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """416 with a byte count, no `Job-Status`; not a breach, for outages cause it."""
    coordinator.enqueue()
    runner.take()
    runner.patch(b"hello")
    answer = runner.patch(b"x", start=9)
    assert (answer.status_code, answer.headers["Range"]) == (416, "0-5")
    assert "Job-Status" not in answer.headers
    assert coordinator.violations == []


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (b"abc", {"Content-Range": "0-1"}),
        (b"abc", {"Content-Range": "0"}),
        (b"", {"Content-Range": "0-0"}),
        (b"x" * 1_048_577, {}),
    ],
)
def test_a_bad_patch_is_recorded(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, data: bytes, headers: dict[str, str]
) -> None:
    """Rule 9; GitLab itself only looks at the start, so the answer is 202."""
    coordinator.enqueue()
    runner.take()
    assert runner.patch(data, headers=headers).status_code == 202
    assert rules(coordinator) == {9}


def test_a_patch_without_range_is_refused(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """400 (1.9)."""
    coordinator.enqueue()
    runner.take()
    assert runner.patch(b"x", headers={"Content-Range": ""}).status_code == 400
    assert rules(coordinator) == {9}


def test_a_trace_beyond_the_limit_drops_the_job(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """`trace_size_exceeded` and 403."""
    coordinator.settings.max_trace_bytes = 3
    job_id = coordinator.enqueue()
    runner.take()
    answer = runner.patch(b"four")
    assert (answer.status_code, answer.headers["Job-Status"]) == (403, "failed")
    assert coordinator.job(job_id).failure_reason == "trace_size_exceeded"


def test_a_graceful_cancel_is_told_and_ends_as_canceled(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """`canceling` on PATCH and PUT, both still accepted; the final update turns it into `canceled`."""
    job_id = coordinator.enqueue()
    runner.take()
    coordinator.cancel(job_id)
    assert runner.patch(b"x").headers["Job-Status"] == "canceling"
    assert runner.put("running").headers["Job-Status"] == "canceling"
    answer = runner.put("failed", failure_reason="unknown_failure")
    assert (answer.status_code, answer.headers["Job-Status"]) == (200, "canceled")
    assert coordinator.wait_for(job_id).state == "canceled"
    assert coordinator.violations == []


def test_a_hard_cancel_refuses_everything(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """403 with `Job-Status: canceled`; the runner's last PATCH and PUT are no breach."""
    job_id = coordinator.enqueue()
    runner.take()
    coordinator.cancel(job_id, graceful=False)
    for answer in (runner.patch(b"x"), runner.put("failed", failure_reason="unknown_failure")):
        assert (answer.status_code, answer.headers["Job-Status"]) == (403, "canceled")
    assert coordinator.violations == []


def test_the_state_survives_a_restart_on_the_same_port(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """An outage in the middle of a job."""
    url = coordinator.url
    job_id = coordinator.enqueue()
    runner.take()
    runner.patch(b"before ")
    coordinator.stop()
    with pytest.raises(requests.ConnectionError):
        runner.patch(b"after")
    coordinator.start()
    assert coordinator.url == url
    assert runner.patch(b"after").status_code == 202
    assert runner.put("success").status_code == 200
    assert coordinator.trace(job_id) == b"before after"
    assert coordinator.violations == []


def test_nothing_is_left_after_close() -> None:
    """No thread, no folder; closing twice is harmless."""
    before = set(threading.enumerate())
    coordinator = EmbeddedCoordinator().start()
    folder = coordinator.store.folder
    PlainRunner(coordinator.url, coordinator.add_runner()).request()
    coordinator.close()
    coordinator.close()
    assert set(threading.enumerate()) == before
    assert not folder.exists()


def test_a_taken_port_is_an_error(coordinator: EmbeddedCoordinator) -> None:
    """Not a silent second server."""
    port = urlsplit(coordinator.url).port
    assert port is not None
    second = EmbeddedCoordinator(port=port)
    try:
        with pytest.raises(OSError, match="in use"):
            second.start()
    finally:
        second.close()


def test_a_broken_request_is_answered_400(coordinator: EmbeddedCoordinator) -> None:
    """Junk on the port does no harm."""
    address = urlsplit(coordinator.url).netloc
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("POST", "/api/v4/jobs/request", body=b"{not json")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (400, {"error": "token is missing"})
    connection.close()


def test_waiting_for_the_wrong_end_says_what_happened(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """At once, with state, reason and the end of the trace."""
    job_id = coordinator.enqueue()
    runner.take()
    runner.patch(b"the last words")
    runner.put("failed", failure_reason="script_failure", exit_code=1)
    with pytest.raises(TimeoutError, match=r"is failed \(script_failure\)(.|\n)*the last words"):
        coordinator.wait_for(job_id, "success", timeout=600)


def test_a_slow_answer_is_given_up_when_the_coordinator_stops(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """A fault of ten minutes does not hold up the end of a test."""
    coordinator.faults.add(Fault(Endpoint.REQUEST, delay=600))
    failures: list[Exception] = []

    def ask() -> None:
        try:
            runner.request()
        except requests.RequestException as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    coordinator.wait_until(lambda: not coordinator.faults.pending())
    coordinator.stop()
    thread.join(30)
    assert len(failures) == 1
