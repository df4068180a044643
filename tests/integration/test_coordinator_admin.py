"""The admin endpoints and the coordinator alone in a process."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest
import requests

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.coordinator import GitRepository
from tests.support.plain_runner import PlainRunner

pytestmark = pytest.mark.integration


def admin(coordinator: EmbeddedCoordinator, method: str, path: str, /, **body: Any) -> requests.Response:
    """Send one admin call."""
    headers = {"Authorization": f"Bearer {coordinator.admin_token}"}
    url = f"{coordinator.url}/-/pyrunner/{path}"
    return requests.request(method, url, json=body or None, headers=headers, timeout=10)


def test_a_job_by_admin_calls_alone(coordinator: EmbeddedCoordinator) -> None:
    """Runner, job, fault, trace, cancel, state: what tests in other processes need."""
    token = admin(coordinator, "POST", "runners", description="x").json()["token"]
    job_id = admin(coordinator, "POST", "jobs", script=["true"], runner_token=token).json()["id"]
    assert admin(coordinator, "POST", "faults", endpoint="trace", drop="before").status_code == 204
    runner = PlainRunner(coordinator.url, token)
    runner.take()
    with pytest.raises(requests.ConnectionError):
        runner.patch(b"hello")
    runner.patch(b"hello")
    assert admin(coordinator, "GET", f"jobs/{job_id}/trace").content == b"hello"
    assert admin(coordinator, "POST", f"jobs/{job_id}/cancel", graceful=False).status_code == 204
    job = admin(coordinator, "GET", f"jobs/{job_id}").json()
    assert (job["state"], job["trace_size"]) == ("canceled", 5)
    state = admin(coordinator, "GET", "state").json()
    assert [one["id"] for one in state["jobs"]] == [job_id]
    assert state["violations"] == []
    assert token not in str(state)


def test_settings_are_changed(coordinator: EmbeddedCoordinator) -> None:
    """Known ones only."""
    assert admin(coordinator, "PATCH", "settings", two_phase_commit=True).json()["two_phase_commit"] is True
    assert coordinator.settings.two_phase_commit
    assert admin(coordinator, "PATCH", "settings", colour="red").status_code == 400


def test_repositories_are_added(coordinator: EmbeddedCoordinator, git_repository: GitRepository) -> None:
    """By name and path."""
    body = {"name": "a/b", "path": str(git_repository.path)}
    assert admin(coordinator, "POST", "repositories", **body).status_code == 204
    assert admin(coordinator, "POST", "jobs", repository="a/b").status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "jobs/7", 404), ("GET", "nothing", 404), ("GET", "jobs/x", 400), ("DELETE", "state", 404)],
)
def test_what_cannot_be_done_is_said(
    coordinator: EmbeddedCoordinator, method: str, path: str, status: int
) -> None:
    """404 for what is not there, 400 for what makes no sense."""
    assert admin(coordinator, method, path).status_code == status


@pytest.mark.parametrize("fault", [{"endpoint": "nowhere"}, {"colour": "red"}, {"drop": "sometimes"}])
def test_a_fault_that_cannot_happen_is_refused(
    coordinator: EmbeddedCoordinator, fault: dict[str, str]
) -> None:
    """400, and nothing is kept."""
    assert admin(coordinator, "POST", "faults", **fault).status_code == 400
    assert coordinator.faults.pending() == []


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer wrong", "Basic x"])
def test_the_admin_token_is_needed(coordinator: EmbeddedCoordinator, authorization: str) -> None:
    """Whoever may queue a job may run programs as the runner."""
    headers = {"Authorization": authorization} if authorization else {}
    url = f"{coordinator.url}/-/pyrunner/jobs"
    assert requests.post(url, json={"script": ["id"]}, headers=headers, timeout=10).status_code == 403
    assert coordinator.store.jobs == {}


def test_the_coordinator_alone_ends_by_a_signal() -> None:
    """It announces itself, serves, and ends cleanly on SIGTERM."""
    program = (
        "from pyrunner.coordinator.standalone import run_coordinator\n"
        "run_coordinator(port=0, runner_token='glrt-x', announce=lambda c: print(c.url, flush=True))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        assert PlainRunner(url, "glrt-x").request().status_code == 204
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
