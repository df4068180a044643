"""What is recorded of a runner that errs, over real HTTP (runner-api.md 8.1)."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from pyrunner.coordinator.faults import Endpoint
from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.plain_runner import PlainRunner, full_info

pytestmark = pytest.mark.integration


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator) -> PlainRunner:
    """A well-behaved runner of the coordinator."""
    return PlainRunner(coordinator.url, coordinator.add_runner())


def rules(coordinator: EmbeddedCoordinator) -> set[int]:
    """Return the numbers of the rules that were broken."""
    return {one.rule for one in coordinator.violations}


@pytest.mark.parametrize(
    "fields",
    [
        {"output": {"checksum": "crc32:00000001"}, "checksum": "crc32:00000001"},
        {"output": {"checksum": "crc32:00000000", "bytesize": 5}},
        {"checksum": "crc32:12345678"},
        {"exit_code": 0},
        {"failure_reason": "script_failure"},
    ],
)
def test_a_wrong_final_update_is_recorded_but_applied(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, fields: dict[str, Any]
) -> None:
    """Rule 11; Rails only logs it."""
    job_id = coordinator.enqueue()
    runner.take()
    assert runner.put("success", **fields).status_code == 200
    assert coordinator.job(job_id).state == "success"
    assert rules(coordinator) == {11}


def test_a_reason_that_is_not_advertised_becomes_unknown(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """Recorded, and stored as `unknown_failure` (1.8)."""
    job_id = coordinator.enqueue()
    runner.take()
    runner.put("failed", failure_reason="image_pull_failure")
    assert coordinator.job(job_id).failure_reason == "unknown_failure"
    assert rules(coordinator) == {11}


def test_an_unknown_state_is_refused(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """`canceled` never goes over the wire (8.2 trap 4)."""
    coordinator.enqueue()
    runner.take()
    assert runner.put("canceled").status_code == 400
    assert rules(coordinator) == {11}


def test_strict_mode_refuses_a_wrong_checksum(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """412; then everything is sent again from 0."""
    coordinator.settings.strict_checksum = True
    job_id = coordinator.enqueue()
    runner.take()
    runner.patch(b"hello")
    wrong = {"checksum": "crc32:00000001", "bytesize": 5}
    assert runner.put("success", output=wrong, checksum="crc32:00000001").status_code == 412
    assert runner.patch(b"hello", start=0).status_code == 202
    assert runner.put("success").status_code == 200
    assert coordinator.job(job_id).state == "success"


def test_the_first_call_has_to_be_put_running(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Rule 8."""
    coordinator.enqueue()
    runner.request()
    runner.put("success")
    assert rules(coordinator) == {8}


def test_calls_after_the_end_are_recorded(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Rule 17, once the answer to the final update went out."""
    coordinator.enqueue()
    runner.take()
    runner.put("success")
    assert runner.put("success").status_code == 403
    assert rules(coordinator) == {17}


def test_a_final_update_whose_answer_was_lost_may_be_repeated(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """The runner cannot know: 403 then, and no breach."""
    job_id = coordinator.enqueue()
    runner.take()
    coordinator.faults.drop_connection(Endpoint.UPDATE_FINAL, "after")
    with pytest.raises(requests.ConnectionError):
        runner.put("success")
    assert coordinator.job(job_id).state == "success"
    assert runner.put("success").status_code == 403
    assert coordinator.violations == []


def test_silence_is_recorded_once(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Rule 13: a touch is due after max(interval, 30 s) and one interval."""
    job_id = coordinator.enqueue()
    runner.take()
    assert coordinator.violations == []
    job = coordinator.job(job_id)
    assert job.heard_at is not None
    job.heard_at = time.time() - 60
    assert rules(coordinator) == {13}
    assert len(coordinator.violations) == 1


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        ({"X-Request-Id": "abc"}, 2),
        ({"User-Agent": "python-requests"}, 2),
        ({"Content-Type": "application/octet-stream"}, 2),
        ({"JOB-TOKEN": "another"}, 3),
    ],
)
def test_headers_are_checked(
    coordinator: EmbeddedCoordinator, runner: PlainRunner, headers: dict[str, str], rule: int
) -> None:
    """Rules 2 and 3; only a wrong token is refused."""
    coordinator.enqueue()
    runner.take()
    assert runner.patch(b"x", headers=headers).status_code == (403 if rule == 3 else 202)
    assert rules(coordinator) == {rule}


def test_the_token_is_due_in_header_and_body(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Rules 3 and 4: a mismatch is 403, a missing one 400."""
    body = {"info": runner.info, "system_id": "s_0123456789ab"}
    answer = runner.call("POST", "/jobs/request", json=body, headers={"RUNNER-TOKEN": runner.token})
    assert (answer.status_code, answer.json()) == (400, {"error": "token is missing"})
    answer = runner.call("POST", "/jobs/request", json={**body, "token": runner.token})
    assert answer.status_code == 403
    assert rules(coordinator) == {3, 4}


def test_the_info_object_is_checked(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Rule 5: 31 booleans."""
    info = full_info()
    del info["features"]["masking"]
    info["features"]["image"] = 1
    runner.request(info=info)
    assert [one.rule for one in coordinator.violations] == [5, 5]


def test_the_system_id_is_checked(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Rule 6: its shape, and one a runner unless more are expected."""
    runner.request()
    runner.request(system_id="s_another12345")
    assert rules(coordinator) == {6}


def test_a_large_job_request_is_refused(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """413 beyond 32 KiB (rule 7)."""
    assert runner.request(extra="x" * 40_000).status_code == 413
    assert rules(coordinator) == {7}


def test_unknown_paths_are_recorded(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """404 as JSON (rule 1), also for a known path with another method."""
    assert runner.call("GET", "/jobs/request").json() == {"message": "404 Not Found"}
    assert runner.call("POST", "/job/request").status_code == 404
    assert rules(coordinator) == {1}


def test_unknown_fields_are_taken(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """A newer runner may say more."""
    coordinator.enqueue()
    assert runner.request(news={"a": 1}).status_code == 201
    assert coordinator.violations == []
