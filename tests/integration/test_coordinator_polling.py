"""Job requests over real HTTP: the queue, long polls, and the modes of the server."""

from __future__ import annotations

import threading

import pytest
import requests

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from tests.support.plain_runner import PlainRunner

pytestmark = pytest.mark.integration


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator) -> PlainRunner:
    """A well-behaved runner of the coordinator."""
    return PlainRunner(coordinator.url, coordinator.add_runner())


def rules(coordinator: EmbeddedCoordinator) -> set[int]:
    """Return the numbers of the rules that were broken."""
    return {one.rule for one in coordinator.violations}


def test_an_empty_queue_answers_204_with_a_value_that_is_echoed(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """A repeated value is answered from the cache; a 201 carries no value (1.7)."""
    first = runner.request()
    value = first.headers["X-GitLab-Last-Update"]
    assert first.status_code == 204
    assert runner.request().headers["X-GitLab-Last-Update"] == value
    coordinator.enqueue()
    answer = runner.request()
    assert answer.status_code == 201
    assert "X-GitLab-Last-Update" not in answer.headers
    assert runner.last_update == value
    assert runner.request().headers["X-GitLab-Last-Update"] != value


def test_a_long_poll_ends_with_a_bare_204_when_a_job_comes(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """Workhorse holds the request; the job comes with the next one (8.2 trap 8)."""
    coordinator.settings.long_poll_seconds = 60
    assert runner.request().headers["Gitlab-Ci-Builds-Polling"] == "yes"
    held: list[requests.Response] = []
    thread = threading.Thread(target=lambda: held.append(runner.request()))
    thread.start()
    coordinator.enqueue()
    thread.join(30)
    # The request may have arrived after the job: then it is simply answered with it.
    if held[0].status_code == 204:
        assert "X-GitLab-Last-Update" not in held[0].headers
        assert runner.request().status_code == 201
    assert coordinator.violations == []


def test_a_long_poll_without_change_ends_in_time(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """A bare 204 again."""
    runner.request()
    coordinator.settings.long_poll_seconds = 0.05
    answer = runner.request()
    assert answer.status_code == 204
    assert "X-GitLab-Last-Update" not in answer.headers


def test_a_held_request_does_not_keep_the_coordinator_from_stopping() -> None:
    """Stop resets the connection; the client sees no answer."""
    settings = CoordinatorSettings(long_poll_seconds=600)
    with EmbeddedCoordinator(settings=settings) as coordinator:
        other = PlainRunner(coordinator.url, coordinator.add_runner())
        other.request()
        failures: list[Exception] = []

        def ask() -> None:
            try:
                other.request()
            except requests.RequestException as error:
                failures.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        coordinator.wait_until(lambda: coordinator.state.job_requests.under_way == 1)
        coordinator.stop()
        thread.join(30)
        assert len(failures) == 1


def test_a_paused_runner_gets_nothing(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """204 with a value while jobs wait."""
    coordinator.enqueue()
    coordinator.pause(runner.token)
    answer = runner.request()
    assert (answer.status_code, "X-GitLab-Last-Update" in answer.headers) == (204, True)
    coordinator.pause(runner.token, paused=False)
    assert runner.request().status_code == 201


def test_the_conflict_mode_answers_409(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Only where there would be a job; it is still there afterwards."""
    coordinator.settings.conflict = True
    assert runner.request().status_code == 204
    coordinator.enqueue()
    assert runner.request().status_code == 409
    coordinator.settings.conflict = False
    assert runner.request().status_code == 201


def test_an_unknown_runner_is_forbidden(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """403, not 401 (rule 3)."""
    coordinator.remove_runner(runner.token)
    assert runner.request().status_code == 403
    assert coordinator.violations == []


def test_a_job_goes_to_the_runner_it_is_for(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """And to nobody else."""
    other = PlainRunner(coordinator.url, coordinator.add_runner())
    job_id = coordinator.enqueue(runner_token=other.token)
    assert runner.request().status_code == 204
    assert other.take()["id"] == job_id


def test_too_many_requests_or_jobs_at_once_are_recorded(coordinator: EmbeddedCoordinator) -> None:
    """Rule 18, where the test says what to expect."""
    runner = PlainRunner(coordinator.url, coordinator.add_runner(limit=1))
    coordinator.enqueue()
    coordinator.enqueue()
    runner.take()
    assert coordinator.violations == []
    runner.request()
    assert rules(coordinator) == {18}


def test_two_phase_commit(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Pending until `PUT running`; other states are refused before it."""
    coordinator.settings.two_phase_commit = True
    job_id = coordinator.enqueue()
    runner.request()
    assert coordinator.job(job_id).state == "pending"
    assert runner.put("running").status_code == 200
    assert coordinator.job(job_id).state == "running"
    assert runner.put("success").status_code == 200
    assert coordinator.violations == []


def test_an_early_failure_is_refused_in_two_phase_mode(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """Error text, then `failed`, without `PUT running`: allowed to a runner, 400 here (5.1-2)."""
    coordinator.settings.two_phase_commit = True
    coordinator.enqueue()
    runner.request()
    assert runner.patch(b"unsupported options\n").status_code == 202
    answer = runner.put("failed", failure_reason="runner_system_failure", exit_code=3)
    assert answer.status_code == 400
    assert coordinator.violations == []


def test_a_job_that_is_acknowledged_too_late_is_gone(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """403 as for any job that is not processing."""
    coordinator.settings.two_phase_commit = True
    coordinator.settings.acknowledgement_seconds = -1
    coordinator.enqueue()
    runner.request()
    answer = runner.put("running")
    assert (answer.status_code, answer.headers["Job-Status"]) == (403, "failed")


def test_the_legacy_mode(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """Text for verify, no status on PUT, no interval, cancel is hard."""
    coordinator.settings.legacy = True
    answer = runner.as_runner("POST", "/runners/verify", info=runner.info)
    assert (answer.text, answer.headers["Content-Type"].partition(";")[0]) == ("200", "text/plain")
    job_id = coordinator.enqueue()
    runner.request()
    assert "Job-Status" not in runner.put("running").headers
    assert "X-GitLab-Trace-Update-Interval" not in runner.patch(b"x").headers
    coordinator.cancel(job_id)
    assert runner.patch(b"y").status_code == 403


def test_final_updates_are_paced_until_the_trace_is_persisted(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """202 with an interval, 200 when the time is over (5.8)."""
    coordinator.settings.persist_seconds = 60
    job_id = coordinator.enqueue()
    runner.take()
    answer = runner.put("success")
    assert (answer.status_code, answer.headers["X-GitLab-Trace-Update-Interval"]) == (202, "1")
    assert coordinator.job(job_id).state == "running"
    coordinator.settings.persist_seconds = 0
    assert runner.put("success").status_code == 200
    assert coordinator.violations == []


def test_the_update_interval_is_railss_unless_set(
    coordinator: EmbeddedCoordinator, runner: PlainRunner
) -> None:
    """60 s, or 3 s while the log is watched."""
    coordinator.settings.trace_update_interval = None
    job_id = coordinator.enqueue()
    runner.take()
    assert runner.patch(b"x").headers["X-GitLab-Trace-Update-Interval"] == "60"
    coordinator.watch(job_id)
    assert runner.patch(b"x").headers["X-GitLab-Trace-Update-Interval"] == "3"


def test_a_second_request_at_once_is_recorded(coordinator: EmbeddedCoordinator) -> None:
    """Rule 18: held requests count towards `request_concurrency`."""
    coordinator.settings.long_poll_seconds = 60
    token = coordinator.add_runner(request_concurrency=1)
    runners = [PlainRunner(coordinator.url, token) for _ in range(2)]
    value = runners[0].request().headers["X-GitLab-Last-Update"]
    threads = []
    for runner in runners:
        runner.last_update = value
        threads.append(threading.Thread(target=runner.request))
        threads[-1].start()
    coordinator.wait_until(lambda: coordinator.state.job_requests.under_way == 2)
    coordinator.enqueue()
    for thread in threads:
        thread.join(30)
    assert rules(coordinator) == {18}
