"""config.toml changes while jobs run (config-and-commands.md 1.14, 1.15)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.coordinator.faults import Endpoint
from pyrunner.coordinator.server import EmbeddedCoordinator
from tests.support.runner import RunnerProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator, tmp_path: Path) -> Iterator[RunnerProcess]:
    settings = {"concurrent": 1}
    token = coordinator.add_runner()
    with RunnerProcess(tmp_path, coordinator.url, token, global_settings=settings) as process:
        process.until(lambda: "Initializing executor providers" in process.log, "it has started")
        yield process


def loads(runner: RunnerProcess) -> int:
    return runner.log.count("Configuration loaded")


def reload(runner: RunnerProcess) -> None:
    """Have the file read at once, and wait until it is in force."""
    before = loads(runner)
    runner.signal(signal.SIGHUP)
    runner.until(lambda: loads(runner) > before, "the file is in force")


def gated(coordinator: EmbeddedCoordinator, gate: Path, count: int = 1) -> list[int]:
    """Queue jobs that say ``begun``, and end when the gate is there."""
    script = ["echo begun in $CI_CONCURRENT_ID", f"until [ -e {gate} ]; do sleep 0.1; done", "echo ended"]
    return [coordinator.enqueue(script=script) for _ in range(count)]


def states(coordinator: EmbeddedCoordinator, jobs: list[int]) -> list[str]:
    return sorted(coordinator.job(one).state for one in jobs)


def test_a_change_is_noticed_without_a_signal(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """The file is looked at every 3 s, also when it was replaced by one with an older time."""
    runner.settings["environment"] = ["NEW=value"]
    target = runner.config
    runner.config = tmp_path / "new.toml"
    runner.write_config()
    os.utime(runner.config, (1, 1))
    runner.config.rename(target)
    runner.config = target
    before = loads(runner)
    runner.until(lambda: loads(runner) > before, "the file is noticed", timeout=10)
    job_id = coordinator.enqueue(script=["echo new-$NEW"])
    coordinator.wait_for(job_id, "success")
    assert b"new-value" in coordinator.trace(job_id)


def test_concurrent_is_raised_and_lowered(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """More places are used at once; fewer are reached by waiting, and the jobs that run are left alone."""
    first = gated(coordinator, tmp_path / "first", 3)
    coordinator.wait_until(lambda: states(coordinator, first).count("running") == 1)
    runner.global_settings["concurrent"] = 3
    runner.write_config()
    reload(runner)
    coordinator.wait_until(lambda: states(coordinator, first).count("running") == 3)
    runner.global_settings["concurrent"] = 1
    runner.write_config()
    reload(runner)
    after = gated(coordinator, tmp_path / "after", 2)
    (tmp_path / "first").touch()
    for job_id in first:
        coordinator.wait_for(job_id, "success")
    coordinator.wait_until(lambda: states(coordinator, after) == ["pending", "running"])
    (tmp_path / "after").touch()
    for job_id in after:
        coordinator.wait_for(job_id, "success")
    assert coordinator.violations == []


@pytest.mark.parametrize(
    ("broken", "where"),
    [
        ('concurrent = 1\ncheck_interval = "often"\n', ":2:1: "),
        ("concurrent = 1\n[[runners]\n", ":2:10: "),
        ("concurrent = 0\n", "concurrent"),
    ],
)
def test_a_broken_file_changes_nothing_and_says_where(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path, broken: str, where: str
) -> None:
    """One error line names file, line and column; jobs go on, and the repaired file is taken."""
    (running,) = gated(coordinator, tmp_path / "gate")
    coordinator.wait_for_trace(running, b"begun")
    runner.config.write_text(broken)
    runner.until(lambda: "Failed to load config" in runner.log, "the broken file is reported")
    line = next(one for one in runner.log.splitlines() if "Failed to load config" in one)
    assert where in line
    assert str(runner.config) in line
    (tmp_path / "gate").touch()
    coordinator.wait_for(running, "success")
    coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")
    runner.write_config()
    before = loads(runner)
    runner.until(lambda: loads(runner) > before, "the repaired file is taken")
    assert runner.log.count("Failed to load config") == 1


def test_a_file_that_is_gone_changes_nothing(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """Without a file the former settings stay, and the file is taken when it is back."""
    content = runner.config.read_text()
    runner.config.unlink()
    runner.until(lambda: "no such file or directory" in runner.log, "the missing file is reported")
    coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")
    before = loads(runner)
    runner.config.write_text(content)
    runner.until(lambda: loads(runner) > before, "the file is taken")


def test_a_renamed_runner_keeps_its_folder_and_its_job(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """Name and environment of the entry change under a job: it ends as it began."""
    (running,) = gated(coordinator, tmp_path / "gate")
    coordinator.wait_for_trace(running, b"begun")
    runner.settings["name"] = "another"
    runner.write_config()
    reload(runner)
    waiting = coordinator.enqueue(script=["true"])
    (tmp_path / "gate").touch()
    coordinator.wait_for(running, "success")
    coordinator.wait_for(waiting, "success")
    assert [one.name for one in runner.root.iterdir() if one.is_dir()] == ["1"]


def test_a_runner_that_is_removed_finishes_its_job(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """A removed entry is polled no more; its job is shipped to the end; put back, it works again."""
    (running,) = gated(coordinator, tmp_path / "gate")
    coordinator.wait_for_trace(running, b"begun")
    content = runner.config.read_text()
    runner.config.write_text("concurrent = 1\ncheck_interval = 1\n")
    reload(runner)
    late = coordinator.enqueue(script=["true"])
    (tmp_path / "gate").touch()
    coordinator.wait_for(running, "success")
    assert coordinator.trace(running).count(b"O ended") == 1
    assert coordinator.job(late).state == "pending"
    runner.config.write_text(content)
    reload(runner)
    coordinator.wait_for(late, "success")


def test_a_job_that_comes_for_a_removed_runner_keeps_its_slot(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """An entry that is taken out while it asks, and put back, uses no slot twice."""
    runner.global_settings["concurrent"] = 2
    runner.write_config()
    content = runner.config.read_text()
    reload(runner)
    slow = coordinator.faults.slow(Endpoint.REQUEST, 4.0)
    coordinator.wait_until(lambda: slow not in coordinator.faults.pending())
    first, second = gated(coordinator, tmp_path / "gate", 2)
    runner.config.write_text("concurrent = 2\ncheck_interval = 1\n")
    reload(runner)
    coordinator.wait_for_trace(first, b"begun in 0")
    runner.config.write_text(content)
    reload(runner)
    coordinator.wait_for_trace(second, b"begun in 1")
    (tmp_path / "gate").touch()
    for job_id in (first, second):
        coordinator.wait_for(job_id, "success")


def test_two_entries_with_one_token_share_its_limit(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """``limit`` counts by token: the same runner entered twice runs no more jobs than one."""
    runner.global_settings["concurrent"] = 4
    runner.settings["limit"] = 2
    runner.write_config()
    entry = runner.config.read_text().partition("[[runners]]")[2]
    runner.config.write_text(runner.config.read_text() + "[[runners]]" + entry.replace('"test"', '"twin"'))
    reload(runner)
    jobs = gated(coordinator, tmp_path / "gate", 4)
    coordinator.wait_until(lambda: states(coordinator, jobs).count("running") == 2)
    (tmp_path / "gate").touch()
    for job_id in jobs:
        coordinator.wait_for(job_id, "success")
        assert coordinator.job(job_id).state == "success"
    assert coordinator.violations == []
