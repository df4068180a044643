"""What networks, proxies and a busy coordinator do to a job: nothing is lost, nothing arrives twice.

The rows of runner-api.md 1.7 to 1.9 that a shell job can meet. The jobs of a group run side by
side in one manager, each with a fault of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.faults import Drop, Endpoint, Fault
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.jobdir.index import pending_jobs
from pyrunner.jobdir.layout import Business
from tests.support.runner import RunnerProcess, trace_lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

_HTML = "<html>Bad gateway</html>"
#: Of a call that is answered, in this order: more than the five attempts of 6.1 make a call fail.
_BURST = 6


def _in_two_seconds() -> dict[str, str]:
    moment = datetime.now(UTC) + timedelta(seconds=2)
    return {"RateLimit-ResetTime": format_datetime(moment, usegmt=True)}


#: Faults of any call; the call's endpoint is filled in.
_ANYWHERE: dict[str, list[Fault]] = {
    "dropped before": [Fault(drop=Drop.BEFORE)],
    "dropped after": [Fault(drop=Drop.AFTER)],
    "dropped again and again": [Fault(drop=Drop.AFTER), Fault(drop=Drop.BEFORE), Fault(drop=Drop.AFTER)],
    "slow": [Fault(delay=2.0)],
    "429 with Retry-After": [Fault(status=429, headers={"Retry-After": "1"}, times=2)],
    "429 with RateLimit-ResetTime": [Fault(status=429, headers=_in_two_seconds())],
    "429 after it was applied": [Fault(status=429, headers={"Retry-After": "1"}, apply=True)],
    "burst of 503": [Fault(status=503, times=_BURST)],
    "503 after it was applied": [Fault(status=503, apply=True)],
    "500 from a proxy": [Fault(status=500, body=_HTML, content_type="text/html")],
    "501, not retried": [Fault(status=501)],
    "409": [Fault(status=409)],
    "400": [Fault(status=400, body="{")],
    "cut answer": [Fault(cut=1)],
}
_TRACE: dict[str, list[Fault]] = {
    **_ANYWHERE,
    "416": [Fault(truncate=10)],
    "416 to nothing": [Fault(truncate=0)],
    "416 without Range": [Fault(status=416)],
    "416 with a Range that is none": [Fault(status=416, headers={"Range": "bytes"})],
    "200 is no success": [Fault(status=200)],
    "200 after it was applied": [Fault(status=200, apply=True)],
    "interval that is none": [
        Fault(status=409, headers={"X-GitLab-Trace-Update-Interval": "soon", "Job-Status": "running"})
    ],
}
_FINAL: dict[str, list[Fault]] = {
    **_ANYWHERE,
    "202": [Fault(status=202, headers={"X-GitLab-Trace-Update-Interval": "1"}, times=2)],
    "412": [Fault(status=412, truncate=0)],
    "412 after 202": [
        Fault(status=202, headers={"X-GitLab-Trace-Update-Interval": "1"}),
        Fault(status=412, truncate=0),
    ],
}
#: Group, case: the calls that go wrong and how.
_CASES: dict[tuple[str, str], tuple[Endpoint, list[Fault]]] = {
    **{("first update", name): (Endpoint.UPDATE_RUNNING, faults) for name, faults in _ANYWHERE.items()},
    **{("incremental", name): (Endpoint.TRACE, faults) for name, faults in _TRACE.items()},
    **{("final trace", name): (Endpoint.TRACE, faults) for name, faults in _TRACE.items()},
    **{("final update", name): (Endpoint.UPDATE_FINAL, faults) for name, faults in _FINAL.items()},
}


@dataclass(frozen=True)
class Group:
    """The jobs of a group after all have ended."""

    coordinator: EmbeddedCoordinator
    runner: RunnerProcess
    jobs: dict[str, int]
    traces: dict[str, bytes]
    #: Jobs that have not met their faults.
    untouched: set[int]


@pytest.fixture(params=sorted({of for of, _ in _CASES}))
def group(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Group]:
    """Run the jobs of a group to their end."""
    name: str = request.param
    cases = {case: what for (of, case), what in _CASES.items() if of == name}
    settings = CoordinatorSettings(trace_update_interval=1)
    with EmbeddedCoordinator(settings=settings) as coordinator:
        runner = RunnerProcess(
            tmp_path,
            coordinator.url,
            coordinator.add_runner(),
            global_settings={"concurrent": len(cases)},
            request_concurrency=5,
        )
        with runner:
            jobs = {case: coordinator.new_job_id() for case in cases}
            traces = _run(coordinator, runner, name.startswith("final"), jobs, cases)
            pending = coordinator.faults.pending()
            # The first update is made once: what it has met is what there is to meet.
            untouched = set() if name == "first update" else {fault.job_id or 0 for fault in pending}
            yield Group(coordinator, runner, jobs, traces, untouched)


def _run(
    coordinator: EmbeddedCoordinator,
    runner: RunnerProcess,
    late: bool,
    jobs: dict[str, int],
    cases: dict[str, tuple[Endpoint, list[Fault]]],
) -> dict[str, bytes]:
    """Run all jobs and return the traces that their supervisors wrote.

    :param late: the faults wait until the job's first lines have arrived.
    """

    def arm(case: str) -> None:
        endpoint, faults = cases[case]
        for fault in faults:
            coordinator.faults.add(replace(fault, endpoint=endpoint, job_id=jobs[case]))

    for case, job_id in jobs.items():
        if not late:
            arm(case)
        gate = runner.folder / f"gate-{job_id}"
        script = (
            f"echo begun; for i in 1 2 3 4 5 6; do echo before-$i; sleep 0.3; done; "
            f"until [ -e {gate} ]; do sleep 0.1; done; "
            f"for i in 1 2 3; do echo after-$i; done"
        )
        coordinator.enqueue(script=[script], job_id=job_id)
    for case, job_id in jobs.items():
        coordinator.wait_for_trace(job_id, b"before-6\n")
        if late:
            arm(case)
        (runner.folder / f"gate-{job_id}").touch()
    for job_id in jobs.values():
        coordinator.wait_for(job_id, "success", timeout=90)
    business = Business(runner.root, "1")
    runner.until(lambda: pending_jobs(business) == [], "all results are acknowledged")
    return {case: runner.control(job_id).trace_log.read_bytes() for case, job_id in jobs.items()}


def test_nothing_is_lost_or_doubled(group: Group) -> None:
    """Each trace is the supervisor's byte for byte, with every line once, and the protocol was kept."""
    expected = ["begun", *(f"before-{n}" for n in range(1, 7)), *(f"after-{n}" for n in range(1, 4))]
    differing, doubled = [], []
    for case, job_id in group.jobs.items():
        trace = group.coordinator.trace(job_id)
        if trace != group.traces[case]:
            differing.append(case)
        if [line for line in trace_lines(trace) if line in expected] != expected:
            doubled.append(case)
    assert (differing, doubled) == ([], [])
    assert [case for case, job_id in group.jobs.items() if job_id in group.untouched] == []
    assert group.coordinator.violations == []


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator, tmp_path: Path) -> Iterator[RunnerProcess]:
    with RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner()) as process:
        yield process


def _endless(coordinator: EmbeddedCoordinator, tmp_path: Path, *faults: Fault) -> int:
    """Run a job that marks its ``after_script``, with faults; it ends by being stopped only."""
    job_id = coordinator.new_job_id()
    for fault in faults:
        coordinator.faults.add(replace(fault, job_id=job_id))
    script = ["echo begun", f"touch {tmp_path}/began", "while true; do echo .; sleep 0.1; done"]
    coordinator.enqueue(script=script, after_script=[f"touch {tmp_path}/after"], job_id=job_id)
    return job_id


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 403},
        {"status": 202, "headers": {"Job-Status": "canceled"}},
        {"status": 503, "headers": {"Job-Status": "failed"}, "times": 5},
    ],
)
def test_a_closed_job_stops(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path, answer: dict[str, Any]
) -> None:
    """403, ``canceled`` and ``failed`` on a PATCH stop everything (1.9 row 1)."""
    job_id = _endless(coordinator, tmp_path, Fault(Endpoint.TRACE, skip=1, **answer))
    supervisor = runner.supervisor(job_id)
    supervisor.wait(30)
    business = Business(runner.root, "1")
    runner.until(lambda: pending_jobs(business) == [], "the end is acknowledged")
    assert not (tmp_path / "after").exists()
    assert coordinator.violations == []


@pytest.mark.parametrize("status", [403, 404])
def test_a_job_that_is_taken_back_never_begins(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path, status: int
) -> None:
    """403 and 404 on the first PUT drop the job: no script, no trace, no result, no secret (5.1 step 3)."""
    job_id = _endless(coordinator, tmp_path, Fault(Endpoint.UPDATE_RUNNING, status=status))
    runner.until(lambda: "has taken it back" in runner.log, "the job is dropped")
    coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")
    assert not (tmp_path / "began").exists()
    calls = [one.endpoint for one in coordinator.requests if one.job_id == job_id]
    assert calls == [Endpoint.REQUEST, Endpoint.UPDATE_RUNNING]
    assert not list(runner.root.glob(f"*/run/*/**/build/{job_id}"))
    assert coordinator.violations == []


def test_404_on_the_final_update_ends_it(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """A coordinator that does not know the job at its end is asked no more (1.8 row 5)."""
    job_id = coordinator.new_job_id()
    coordinator.faults.add(Fault(Endpoint.UPDATE_FINAL, job_id, status=404))
    coordinator.enqueue(script=["true"], job_id=job_id)
    coordinator.wait_until(lambda: coordinator.faults.pending() == [])
    runner.until(lambda: pending_jobs(Business(runner.root, "1")) == [], "the result is acknowledged")
    assert [one.endpoint for one in coordinator.requests if one.job_id == job_id].count("update_final") == 1


def test_404_on_a_patch_is_ignored_while_the_job_runs(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """404 on PATCH lets the job run on, and what was not taken comes later (8.2, trap 5)."""
    job_id = coordinator.new_job_id()
    fault = coordinator.faults.add(Fault(Endpoint.TRACE, job_id, status=404, times=2))
    gate = tmp_path / "gate"
    script = f"for i in 1 2 3; do echo line-$i; sleep 0.3; done; until [ -e {gate} ]; do sleep 0.1; done"
    coordinator.enqueue(script=[script], job_id=job_id)
    coordinator.wait_for_trace(job_id, b"line-3\n")
    assert fault not in coordinator.faults.pending()
    gate.touch()
    coordinator.wait_for(job_id, "success")
    assert coordinator.trace(job_id) == runner.control(job_id).trace_log.read_bytes()
    assert coordinator.violations == []


def test_requests_for_jobs_go_on(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """After every answer of 1.7 that brings no job the runner is asked for again; none makes it unhealthy."""
    faults = [Fault(Endpoint.REQUEST, status=status) for status in (400, 404, 409, 413, 422, 501)]
    faults += [
        Fault(Endpoint.REQUEST, status=503, times=5),
        Fault(Endpoint.REQUEST, status=429, headers={"Retry-After": "1"}),
        Fault(Endpoint.REQUEST, drop=Drop.BEFORE),
        Fault(Endpoint.REQUEST, drop=Drop.AFTER),
        Fault(Endpoint.REQUEST, status=201, body=_HTML, content_type="text/html"),
        Fault(Endpoint.REQUEST, status=201, body="[]"),
        Fault(Endpoint.REQUEST, status=201, body="{"),
        Fault(Endpoint.REQUEST, status=201, body='{"id": "one", "token": 1}'),
    ]
    for fault in faults:
        coordinator.faults.add(fault)
    coordinator.wait_until(lambda: coordinator.faults.pending() == [], timeout=60)
    coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")
    assert "unhealthy" not in runner.log
    assert coordinator.violations == []


def test_an_unhealthy_runner_rests_and_comes_back(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """After three 403 the runner is not asked for until unhealthy_interval is over (4.6)."""
    coordinator.faults.add(Fault(Endpoint.REQUEST, status=403, times=3))
    job_id = coordinator.enqueue(script=["true"])
    process = RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner(), unhealthy_interval="5s")
    with process:
        process.until(lambda: "is unhealthy and will be disabled for 5s" in process.log, "the rest begins")
        assert coordinator.job(job_id).state == "pending"
        coordinator.wait_for(job_id, "success")


def test_calls_that_hang_keep_no_other_job_waiting(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """A dozen jobs whose traces hang in the network: the next is announced, run and reported meanwhile."""
    hanging = [coordinator.new_job_id() for _ in range(12)]
    gate = tmp_path / "gate"
    for job_id in hanging:
        coordinator.faults.add(Fault(Endpoint.TRACE, job_id, delay=60.0))
    settings = {"concurrent": 13}
    process = RunnerProcess(
        tmp_path, coordinator.url, coordinator.add_runner(), global_settings=settings, request_concurrency=5
    )
    with process:
        for job_id in hanging:
            script = ["echo begun", f"until [ -e {gate} ]; do sleep 0.1; done"]
            coordinator.enqueue(script=script, job_id=job_id)
        coordinator.wait_until(lambda: coordinator.faults.pending() == [])
        coordinator.wait_for(coordinator.enqueue(script=["true"]), "success", timeout=30)
        gate.touch()
