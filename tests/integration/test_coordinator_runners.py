"""Registration, verification, tokens and removal of runners over real HTTP."""

from __future__ import annotations

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.plain_runner import PlainRunner, full_info, registration_info

pytestmark = pytest.mark.integration


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator) -> PlainRunner:
    """A well-behaved runner of the coordinator."""
    return PlainRunner(coordinator.url, coordinator.add_runner())


def rules(coordinator: EmbeddedCoordinator) -> set[int]:
    """Return the numbers of the rules that were broken."""
    return {one.rule for one in coordinator.violations}


def test_registration_verification_rotation_removal(coordinator: EmbeddedCoordinator) -> None:
    """The life of a legacy runner."""
    runner = PlainRunner(coordinator.url, coordinator.registration_token)
    fields = {"info": registration_info(), "run_untagged": True, "locked": True, "paused": False}
    answer = runner.as_runner("POST", "/runners", description="mine", **fields)
    assert answer.status_code == 201
    runner.token = answer.json()["token"]
    assert coordinator.runner(runner.token).description == "mine"
    verify = {"info": full_info(), "system_id": "s_0123456789ab"}
    assert runner.as_runner("POST", "/runners/verify", **verify).json()["id"] == answer.json()["id"]
    reset = runner.call("POST", "/runners/reset_authentication_token", json={"token": runner.token})
    assert reset.status_code == 201
    assert runner.as_runner("POST", "/runners/verify", **verify).status_code == 403
    runner.token = reset.json()["token"]
    assert runner.as_runner("DELETE", "/runners").status_code == 204
    assert runner.as_runner("DELETE", "/runners").status_code == 403
    assert coordinator.violations == []


def test_a_registration_needs_the_token_and_permission(coordinator: EmbeddedCoordinator) -> None:
    """403 for a wrong one, 410 where registration tokens are switched off."""
    fields = {"info": registration_info(), "run_untagged": True, "locked": True, "paused": False}
    stranger = PlainRunner(coordinator.url, "wrong")
    assert stranger.as_runner("POST", "/runners", **fields).status_code == 403
    coordinator.settings.registration_allowed = False
    owner = PlainRunner(coordinator.url, coordinator.registration_token)
    assert owner.as_runner("POST", "/runners", **fields).status_code == 410


def test_a_registration_claims_no_executor_features(coordinator: EmbeddedCoordinator) -> None:
    """8.2 trap 35."""
    runner = PlainRunner(coordinator.url, coordinator.registration_token)
    fields = {"info": full_info(), "run_untagged": True, "locked": True, "paused": False}
    runner.as_runner("POST", "/runners", **fields)
    assert rules(coordinator) == {5}


def test_one_manager_is_removed(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """204, then 404; the runner stays."""
    runner.request()
    delete = {"system_id": "s_0123456789ab"}
    assert runner.as_runner("DELETE", "/runners/managers", **delete).status_code == 204
    assert runner.as_runner("DELETE", "/runners/managers", **delete).status_code == 404
    assert runner.request().status_code == 204


def test_reset_by_personal_access_token(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """The body is the JSON literal null (1.6)."""
    number = coordinator.runner(runner.token).id
    path = f"/runners/{number}/reset_authentication_token"
    headers = {"PRIVATE-TOKEN": coordinator.personal_access_token, "Content-Type": "application/json"}
    answer = runner.call("POST", path, data="null", headers=headers)
    assert answer.status_code == 201
    assert coordinator.runner(answer.json()["token"]).id == number
    headers["PRIVATE-TOKEN"] = "wrong"
    assert runner.call("POST", path, data="null", headers=headers).status_code == 401


def test_router_discovery(coordinator: EmbeddedCoordinator, runner: PlainRunner) -> None:
    """501 without a router."""
    headers = {"RUNNER-TOKEN": runner.token}
    assert runner.call("GET", "/runners/router/discovery", headers=headers).status_code == 501
    coordinator.settings.job_router_url = "wss://kas.example.com"
    answer = runner.call("GET", "/runners/router/discovery", headers=headers)
    assert answer.json() == {"server_url": "wss://kas.example.com"}
