"""Fixtures: a manager that is not started yet, and the commands that read its config.toml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.commands import CommandLine
from tests.support.runner import RunnerProcess


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator, tmp_path: Path) -> Iterator[RunnerProcess]:
    """A manager that is not started yet."""
    process = RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner())
    yield process
    process.close()


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """Commands that read the manager's config.toml."""
    return CommandLine(tmp_path)
