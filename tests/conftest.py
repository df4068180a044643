"""Fixtures for every test, and the guard that processes of a test inherit nothing of their surroundings."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.coordinator import clean_environment, coordinator, git_repository
from tests.support.docker import docker_available, docker_lab

__all__ = ["clean_environment", "coordinator", "docker_available", "docker_lab", "git_repository"]


@pytest.fixture(autouse=True)
def _isolated_integration(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("integration"):
        request.getfixturevalue("clean_environment")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove what tests left that is too deep for Python to remove: pytest would fail at it, runs later."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    base = getattr(factory, "_basetemp", None)
    if base is None or not base.exists():
        return
    for folder in base.iterdir():
        command = [
            "find",
            str(folder),
            "-mindepth",
            "150",
            "-maxdepth",
            "150",
            "-type",
            "d",
            "-print",
            "-quit",
        ]
        if subprocess.run(command, capture_output=True).stdout:
            subprocess.run(["rm", "-rf", "--", str(folder)])
