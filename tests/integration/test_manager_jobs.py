"""A manager, its supervisors and a coordinator: from the job request to the acknowledged result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.coordinator.faults import Drop, Endpoint, Fault
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.jobdir.index import done_jobs, pending_jobs
from pyrunner.jobdir.layout import Business
from pyrunner.jobdir.record import JobRecord
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

#: Runs until it is stopped, and has something to say all the time: cancels come with the answers.
CHATTY = "echo begun; while true; do echo .; sleep 0.1; done"


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator, tmp_path: Path) -> Iterator[RunnerProcess]:
    with RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner()) as process:
        yield process


def business(runner: RunnerProcess) -> Business:
    return Business(runner.root, "1")


def test_success(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """A job runs, its trace and result arrive, and the protocol is kept to the letter."""
    job_id = coordinator.enqueue(script=["echo out-$CI_CONCURRENT_ID-$CI_CONCURRENT_PROJECT_ID"])
    job = coordinator.wait_for(job_id, "success")
    assert b"out-0-0" in coordinator.trace(job_id)
    assert job.exit_code == 0
    assert coordinator.violations == []


def test_failure(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """Exit code and reason of a failed script are reported."""
    job_id = coordinator.enqueue(script=["exit 7"])
    job = coordinator.wait_for(job_id, "failed")
    assert (job.failure_reason, job.exit_code) == ("script_failure", 7)
    assert coordinator.violations == []


def test_nothing_secret_stays(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """After the acknowledgement no file of ours holds the job's token or a private value."""
    secret = "the-private-value"
    variables = [{"key": "SECRET", "value": secret, "public": False, "masked": True}]
    job_id = coordinator.enqueue(script=["true"], variables=variables)
    coordinator.wait_for(job_id, "success")
    runner.until(lambda: bool(done_jobs(business(runner))), "the job is done with")
    token = coordinator.job(job_id).token
    kept = [path for path in runner.root.rglob("*") if path.is_file()]
    assert any(path.name == "data_data.json" for path in kept)
    for path in kept:
        content = path.read_bytes()
        assert token.encode() not in content, path
        assert secret.encode() not in content, path
    (done,) = done_jobs(business(runner))
    assert done.control.trace_log.exists()
    assert not done.control.raw_log.exists()
    assert pending_jobs(business(runner)) == []


def test_jobs_run_side_by_side(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """``concurrent`` jobs run at once, each in its slot with its numbers, and never more."""
    gate = tmp_path / "gate"
    script = [
        f"while [ ! -e {gate} ]; do sleep 0.05; done",
        "echo id-$CI_CONCURRENT_ID-$CI_CONCURRENT_PROJECT_ID",
    ]
    jobs = [coordinator.enqueue(script=script) for _ in range(6)]
    coordinator.wait_until(lambda: sum(coordinator.job(one).state == "running" for one in jobs) == 4)
    for job_id in jobs[:4]:
        runner.supervisor(job_id)
    assert sum(coordinator.job(one).state == "running" for one in jobs) == 4
    gate.touch()
    for job_id in jobs:
        coordinator.wait_for(job_id, "success")
    seen = {b"id-%d-%d" % (n, n) in coordinator.trace(one) for one, n in zip(jobs[:4], range(4), strict=True)}
    numbers = {n for n in range(4) if any(b"id-%d-%d" % (n, n) in coordinator.trace(one) for one in jobs[:4])}
    assert numbers == {0, 1, 2, 3}, seen
    assert coordinator.violations == []


def test_graceful_cancel(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """``canceling`` stops the script; after_script runs, and the job ends as canceled."""
    job_id = coordinator.enqueue(script=[CHATTY], after_script=["echo afterwards"])
    coordinator.wait_for_trace(job_id, b"begun")
    coordinator.cancel(job_id)
    coordinator.wait_for(job_id, "canceled")
    assert b"afterwards" in coordinator.trace(job_id)
    assert coordinator.violations == []


def test_drop(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """A job that the server closes is stopped at once, and its place is free again."""
    job_id = coordinator.enqueue(script=[CHATTY], after_script=["echo afterwards"])
    coordinator.wait_for_trace(job_id, b"begun")
    supervisor = runner.supervisor(job_id)
    coordinator.drop(job_id)
    supervisor.wait(30)
    runner.until(lambda: bool(done_jobs(business(runner))), "the job is done with")
    assert b"afterwards" not in coordinator.trace(job_id)
    assert coordinator.violations == []


def test_job_taken_back_before_it_began(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """An abort of ``PUT running`` drops the job: nothing runs, nothing is sent, nothing is kept."""
    coordinator.faults.fail(Endpoint.UPDATE_RUNNING, 403)
    marker = tmp_path / "marker"
    job_id = coordinator.enqueue(script=[f"touch {marker}"])
    runner.until(lambda: "taken it back" in runner.log, "the job is dropped")
    next_id = coordinator.enqueue(script=["true"])
    coordinator.wait_for(next_id, "success")
    assert not marker.exists()
    calls = [one.endpoint for one in coordinator.requests if one.job_id == job_id]
    assert calls == [Endpoint.REQUEST, Endpoint.UPDATE_RUNNING]
    runner.until(lambda: pending_jobs(business(runner)) == [], "no job is left")


@pytest.mark.parametrize("status", [400, 409, 500])
def test_failing_announcement_does_not_stop_the_job(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, status: int
) -> None:
    """When ``PUT running`` merely fails, the job runs all the same."""
    coordinator.faults.fail(Endpoint.UPDATE_RUNNING, status, times=5 if status == 500 else 1)
    job_id = coordinator.enqueue(script=["true"])
    coordinator.wait_for(job_id, "success", timeout=60)


def test_cancelled_before_it_began(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """``canceling`` on ``PUT running`` ends the job with the raw reason, and nothing of it runs."""
    marker = tmp_path / "marker"
    coordinator.faults.add(
        Fault(
            Endpoint.UPDATE_RUNNING, status=200, apply=True, headers={"Job-Status": "canceling"}, body="200"
        )
    )
    job_id = coordinator.enqueue(script=[f"touch {marker}"])
    coordinator.wait_for(job_id)
    assert coordinator.job(job_id).final_update["failure_reason"] == "job_canceled"
    assert not marker.exists()


def test_payload_that_does_not_decode(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """A payload that makes no sense is reported as failed, with what is wrong in the trace."""
    job_id = coordinator.new_job_id()
    payload = {
        "id": job_id,
        "token": "tok-undecodable-1",
        "steps": [{"script": 5}],
        "features": {"failure_reasons": ["runner_system_failure"]},
    }
    coordinator.enqueue(payload)
    job = coordinator.wait_for(job_id, "failed")
    assert job.failure_reason == "runner_system_failure"
    assert b"steps[0].script" in coordinator.trace(job_id)


def test_run_directory_that_cannot_be_made(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """Where not even a folder can be made, the job still fails with the reason in its trace."""
    first = coordinator.enqueue(script=["true"])
    coordinator.wait_for(first, "success")
    runner.until(lambda: bool(done_jobs(business(runner))), "the first job is done with")
    # Even root cannot make a folder where a file is.
    run = business(runner).path / "run"
    run.rename(tmp_path / "run-before")
    run.touch()
    job_id = coordinator.enqueue(script=["true"])
    job = coordinator.wait_for(job_id, "failed")
    assert job.failure_reason == "runner_system_failure"
    assert b"cannot be prepared" in coordinator.trace(job_id)


def test_the_same_job_twice(coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path) -> None:
    """A job that is delivered again runs once, while it runs and after its end."""
    marker = tmp_path / "marker"
    job_id = coordinator.enqueue(script=[f"echo ran >> {marker}", "sleep 2"])
    coordinator.wait_until(lambda: coordinator.job(job_id).state == "running")
    body = json.dumps(coordinator.job(job_id).payload)
    coordinator.faults.malformed(Endpoint.REQUEST, 201, body)
    runner.until(lambda: "has come twice" in runner.log, "the duplicate is noticed")
    coordinator.wait_for(job_id, "success")
    runner.until(lambda: bool(done_jobs(business(runner))), "the job is done with")
    coordinator.faults.malformed(Endpoint.REQUEST, 201, body)
    runner.until(lambda: "has been run here before" in runner.log, "the second duplicate is noticed")
    runner.until(lambda: pending_jobs(business(runner)) == [], "the result is answered for")
    assert marker.read_text() == "ran\n"
    record = JobRecord.load(runner.control(job_id).job)
    runner.until(
        lambda: "REDACTED" in JobRecord.load(runner.control(job_id).job).payload["token"], "redacted"
    )
    assert record.business_id == "1"


def test_outage(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """A coordinator that is gone while a job runs and ends gets all of it when it is back, and is polled."""
    job_id = coordinator.enqueue(script=["echo begun", "sleep 3", "echo ended"])
    coordinator.wait_for_trace(job_id, b"begun")
    supervisor = runner.supervisor(job_id)
    coordinator.stop()
    supervisor.wait(30)
    runner.until(lambda: "Job succeeded" in runner.log, "the job has ended")
    runner.until(lambda: runner.log.count("failed") > 3, "some tries have failed")
    coordinator.start()
    coordinator.wait_for(job_id, "success")
    assert b"ended" in coordinator.trace(job_id)
    coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")


def test_slot_is_free_before_the_result_is_delivered(
    coordinator: EmbeddedCoordinator, tmp_path: Path
) -> None:
    """A result that cannot be delivered keeps no place from the next job."""
    token = coordinator.add_runner()
    with RunnerProcess(tmp_path, coordinator.url, token, global_settings={"concurrent": 1}):
        stuck = coordinator.enqueue(script=["true"])
        coordinator.faults.add(Fault(Endpoint.UPDATE_FINAL, job_id=stuck, status=409, times=None))
        following = coordinator.enqueue(script=["true"])
        coordinator.wait_for(following, "success")
        assert coordinator.job(stuck).state == "running"
        coordinator.faults.clear()
        coordinator.wait_for(stuck, "success", timeout=60)


@pytest.mark.parametrize("when", list(Drop))
def test_dropped_connections(coordinator: EmbeddedCoordinator, runner: RunnerProcess, when: Drop) -> None:
    """Whatever call loses its answer, the trace is whole and the result arrives."""
    job_id = coordinator.enqueue(script=["for i in 1 2 3 4 5 6; do echo line-$i; sleep 0.5; done"])
    for endpoint in (Endpoint.TRACE, Endpoint.UPDATE_FINAL, Endpoint.TRACE):
        coordinator.faults.drop_connection(endpoint, when, job_id=job_id)
    coordinator.wait_for(job_id, "success", timeout=60)
    trace = coordinator.trace(job_id)
    assert [trace.count(b"O line-%d" % n) for n in range(1, 7)] == [1] * 6
    runner.until(lambda: pending_jobs(business(runner)) == [], "the result is acknowledged")


def test_lost_trace_is_sent_again(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """416 and 412 are healed: the coordinator's trace ends as ours."""
    job_id = coordinator.enqueue(script=["for i in 1 2 3 4 5 6; do echo line-$i; sleep 0.5; done"])
    coordinator.wait_for_trace(job_id, b"line-1")
    coordinator.faults.lose_trace(10, job_id)
    coordinator.faults.refuse_trace(job_id)
    coordinator.wait_for(job_id, "success", timeout=60)
    assert coordinator.trace(job_id) == runner.control(job_id).trace_log.read_bytes()


def test_one_runners_long_poll_does_not_delay_another(
    coordinator: EmbeddedCoordinator, tmp_path: Path
) -> None:
    """With one place for two runners and a server that holds requests, jobs of both start soon."""
    coordinator.settings.long_poll_seconds = 50.0
    first, second = coordinator.add_runner(), coordinator.add_runner()
    process = RunnerProcess(tmp_path, coordinator.url, first, global_settings={"concurrent": 1})
    entry = process.config.read_text().partition("[[runners]]")[2]
    other = entry.replace(first, second).replace("id = 1", "id = 2")
    process.config.write_text(process.config.read_text() + "[[runners]]" + other)
    with process:
        for token in (first, second, first, second):
            job_id = coordinator.enqueue(script=["true"], runner_token=token)
            coordinator.wait_for(job_id, "success", timeout=20)


def test_killed_before_the_acknowledgement(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """A job that is on disk when the manager is killed is announced and run by the next one."""
    coordinator.settings.two_phase_commit = True
    process = RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner())
    marker = tmp_path / "marker"
    held = coordinator.faults.add(Fault(Endpoint.UPDATE_RUNNING, drop=Drop.BEFORE, delay=60.0))
    try:
        process.start()
        job_id = coordinator.enqueue(script=[f"echo ran >> {marker}"])
        process.until(lambda: len(pending_jobs(business(process))) == 1, "the job is on disk")
        coordinator.wait_until(lambda: held not in coordinator.faults.pending())
        process.kill()
        process.start()
        coordinator.wait_for(job_id, "success", timeout=60)
        assert marker.read_text() == "ran\n"
    finally:
        process.close()


def test_trace_arrives_while_every_slot_is_taken(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """A job's output is sent while it runs, also when no runner asks for jobs and nothing else happens."""
    gate = tmp_path / "gate"
    busy = RunnerProcess(
        tmp_path, coordinator.url, coordinator.add_runner(), global_settings={"concurrent": 1}
    )
    with busy:
        job_id = coordinator.enqueue(script=["echo begun", f"until [ -e {gate} ]; do sleep 0.05; done"])
        coordinator.wait_for_trace(job_id, b"begun\n")
        assert coordinator.job(job_id).state == "running"
        gate.touch()
        coordinator.wait_for(job_id, "success")
