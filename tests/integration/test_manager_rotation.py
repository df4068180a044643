"""A runner's token is exchanged before it expires, and everything goes on (config-and-commands.md 2.2)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pyrunner.coordinator.faults import Endpoint
from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def overdue(runner: RunnerProcess, flag: str = "") -> None:
    """Let the runner's token be three quarters through its life."""
    dates = "token_obtained_at = 2020-01-01T00:00:00Z\n  token_expires_at = 2020-01-02T00:00:00Z"
    text = runner.config.read_text().replace("[[runners]]", f"[[runners]]  # mine\n  {dates}")
    runner.config.write_text(text + flag)


def token_in_file(runner: RunnerProcess) -> str:
    entry: dict[str, str] = tomllib.loads(runner.config.read_text())["runners"][0]
    return entry["token"]


def test_rotation(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """The new token is in the file, comments stay, jobs run with it in the same folder."""
    runner = RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner())
    overdue(runner)
    with runner:
        runner.until(lambda: token_in_file(runner) != runner.token, "the token is exchanged")
        assert "# mine" in runner.config.read_text()
        job_id = coordinator.enqueue(script=["true"])
        coordinator.wait_for(job_id, "success")
        assert runner.control(job_id).path.is_relative_to(runner.root / "1")


def test_failed_rotation_pauses(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """A coordinator that refuses is not asked again at once; jobs go on with the old token."""
    runner = RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner())
    overdue(runner)
    coordinator.faults.fail(Endpoint.RESET_TOKEN, 400, times=None)
    with runner:
        runner.until(lambda: "Resetting runner authentication token... failed" in runner.log, "it was tried")
        for _ in range(3):
            coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")
        tries = [one for one in coordinator.requests if one.endpoint == Endpoint.RESET_TOKEN]
        assert len(tries) == 1
        assert token_in_file(runner) == runner.token


def test_rotation_can_be_disabled(coordinator: EmbeddedCoordinator, tmp_path: Path) -> None:
    """With the flag nothing is exchanged, and it is said once."""
    runner = RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner())
    overdue(runner, "  [runners.feature_flags]\n    FF_DISABLE_AUTOMATIC_TOKEN_ROTATION = true\n")
    with runner:
        coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")
        assert runner.log.count("Automatic token rotation is disabled") == 1
        assert not [one for one in coordinator.requests if one.endpoint == Endpoint.RESET_TOKEN]
