"""run-single: one runner from flags or from the file (config-and-commands.md 2.5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.commands import HEAD, CommandLine, entry

pytestmark = pytest.mark.integration


@pytest.fixture
def command(tmp_path: Path) -> Iterator[CommandLine]:
    """A home folder of its own, in which nothing is left running."""
    yield CommandLine(tmp_path)
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == str(tmp_path):
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def test_build_limit(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """Settings come from flags and variables; after --max-builds jobs it ends with success."""
    first, second = (coordinator.enqueue(script=[f"echo $GREETING {index}"]) for index in (1, 2))
    flags = ("--url", coordinator.url, "--executor", "shell", "--env", "GREETING=hello")
    limits = ("--builds-dir", str(command.home / "builds"), "--max-builds=1")
    done = command.run("run-single", *flags, *limits, CI_SERVER_TOKEN=coordinator.add_runner())
    assert done.code == 0
    assert f"Starting runner for {coordinator.url} with token " in done.err
    assert "This runner has processed its build limit, so now exiting" in done.err
    assert coordinator.job(first).state == "success"
    assert b"hello 1" in coordinator.trace(first)
    assert coordinator.job(second).state == "pending"
    assert not (command.home / ".runner_system_id").exists()


def test_wait_timeout(coordinator: EmbeddedCoordinator, command: CommandLine) -> None:
    """A runner by name comes from the file; without a job it ends after --wait-timeout."""
    tristan = f'  [runners.tristan]\n    root = "{command.home / "root"}"\n'
    text = HEAD + entry(coordinator, "mine", coordinator.add_runner(), tristan)
    command.config.write_text(text)
    done = command.run("run-single", "--runner", "mine", "--wait-timeout", "1", "--executor", "nix")
    assert done.code == 0
    assert "This runner has not received a job in 1 seconds, so now exiting" in done.err
    assert command.config.read_text() == text


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "Missing URL"),
        (("-u", "http://x"), "Missing Token"),
        (("-u", "http://x", "-t", "t"), "Missing Executor"),
        (("-u", "http://x", "-t", "t", "--executor", "kubernetes"), "Unknown executor: kubernetes"),
        (("-r", "nix"), "Error loading runner by name: could not find a runner with the name 'nix'"),
    ],
)
def test_missing(command: CommandLine, flags: tuple[str, ...], message: str) -> None:
    """What is missing is named."""
    done = command.run("run-single", *flags)
    assert done.code == 1
    assert f"FATAL: {message}" in done.err
