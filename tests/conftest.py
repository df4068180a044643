"""Fixtures for every test, and the guard that processes of a test inherit nothing of their surroundings."""

from __future__ import annotations

import pytest

from tests.support.coordinator import clean_environment, coordinator, git_repository
from tests.support.docker import docker_available, docker_lab

__all__ = ["clean_environment", "coordinator", "docker_available", "docker_lab", "git_repository"]


@pytest.fixture(autouse=True)
def _isolated_integration(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("integration"):
        request.getfixturevalue("clean_environment")
