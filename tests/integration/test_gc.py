"""``pyrunner gc`` on a real root: with and without a manager, beside jobs, against what jobs may leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.coordinator.faults import Endpoint, Fault
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.jobdir.index import done_jobs, pending_jobs
from pyrunner.jobdir.layout import Business
from pyrunner.manager.clean_up import CleanUp
from pyrunner.manager.clean_up_order import CleanUpOrder
from pyrunner.manager.guard import remove_tree
from pyrunner.manager.housekeeping import clean_up
from pyrunner.manager.retention import RetentionRules
from pyrunner.manager.slot_locks import unfinished_jobs
from pyrunner.supervisor.removal import remove_sources
from pyrunner.system.tree_size import tree_size
from tests.support.runner import RunnerProcess
from tests.unit.manager.places import Place

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

MIB = 1 << 20


def gc(runner: RunnerProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(runner.home),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
    return subprocess.run(
        [sys.executable, "-m", "pyrunner", "gc", "--config", str(runner.config), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def gc_json(runner: RunnerProcess, *arguments: str) -> dict[str, Any]:
    """Return what it did with the one business there is."""
    answer = gc(runner, "--json", *arguments)
    assert answer.returncode == 0, answer.stderr
    (result,) = json.loads(answer.stdout)
    assert isinstance(result, dict)
    return result


@pytest.fixture
def runner(coordinator: EmbeddedCoordinator, tmp_path: Path) -> Iterator[RunnerProcess]:
    with RunnerProcess(tmp_path, coordinator.url, coordinator.add_runner()) as process:
        yield process


def configure(runner: RunnerProcess, **tristan: Any) -> None:
    """Change the file; a manager that runs takes it up, or not: the command reads it anew."""
    runner.settings["tristan"] = tristan
    runner.write_config()


def test_beside_a_manager_and_a_job(
    coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path
) -> None:
    """What a job uses stays although all else goes; the next job finds its place and works."""
    configure(runner, disk_budget="1k")
    gate = tmp_path / "gate"
    job_id = coordinator.enqueue(
        script=["touch mine", f"while [ ! -e {gate} ]; do sleep 0.05; done", "ls mine"]
    )
    control = runner.control(job_id)
    runner.until(lambda: bool(list(runner.root.glob("1/run/1/**/mine"))), "the job works")
    result = gc_json(runner)
    assert result["removed"] == []
    assert list(runner.root.glob("1/run/1/**/mine"))
    gate.touch()
    coordinator.wait_for(job_id, "success")
    runner.until(lambda: len(done_jobs(Business(runner.root, "1"))) == 1, "it is acknowledged")
    result = gc_json(runner)
    assert "sources" in {one["kind"] for one in result["removed"]}
    assert not list(runner.root.glob("1/run/1/**/mine"))
    assert control.job.exists(), "the record of a job outlives the day"
    next_one = coordinator.enqueue(script=["true"])
    coordinator.wait_for(next_one, "success")
    assert coordinator.violations == []


def test_without_a_manager(coordinator: EmbeddedCoordinator, runner: RunnerProcess, tmp_path: Path) -> None:
    """The manager is dead, its job lives on: gc keeps what the job needs, and nothing is lost."""
    configure(runner, disk_budget="1k")
    gate = tmp_path / "gate"
    job_id = coordinator.enqueue(
        script=["touch mine", f"while [ ! -e {gate} ]; do sleep 0.05; done", "ls mine"]
    )
    runner.until(lambda: bool(list(runner.root.glob("1/run/1/**/mine"))), "the job works")
    runner.kill()
    assert gc_json(runner)["removed"] == []
    gate.touch()
    (pending,) = pending_jobs(Business(runner.root, "1"))
    runner.until(lambda: not unfinished_jobs(Business(runner.root, "1")), "the job has ended")
    kinds = {one["kind"] for one in gc_json(runner)["removed"]}
    assert not kinds & {"sources", "job"}, "its result is not delivered"
    assert pending.control.trace_log.exists()
    runner.start()
    coordinator.wait_for(job_id, "success")


def test_dry_run_and_table(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """The table tells what would go and why; then it goes, with a line of the log for each."""
    configure(runner, disk_budget="1k")
    job_id = coordinator.enqueue(script=["head -c 3000000 /dev/urandom > big"])
    coordinator.wait_for(job_id, "success")
    runner.until(lambda: len(done_jobs(Business(runner.root, "1"))) == 1, "it is acknowledged")
    shown = gc(runner, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f"Runner 1 in {runner.root}/1\nKIND")
    assert "would be removed" in shown.stdout
    assert "MB" in shown.stdout
    assert "beyond disk_budget" in shown.stdout
    assert list(runner.root.glob("1/run/1/**/big"))
    done = gc(runner)
    assert not list(runner.root.glob("1/run/1/**/big"))
    assert " removed (3." in done.stdout
    assert "Removed to make room" in done.stderr
    assert "0 removed" in gc(runner).stdout


def test_before_the_first_job(tmp_path: Path) -> None:
    """A runner without a folder has nothing to tidy up, and gets no folder by being asked."""
    runner = RunnerProcess(tmp_path, "http://127.0.0.1:9", "glrt-x")
    answer = gc(runner)
    assert (answer.returncode, answer.stdout) == (0, "No runner has a folder.\n"), answer.stderr
    assert not runner.root.exists()
    assert gc(runner, "main").returncode == 1


def test_the_manager_has_it_done(tmp_path: Path) -> None:
    """What the manager starts now and then is the same command, in a process of its own."""
    place = Place(tmp_path)
    old, new = place.branch("old", 0), place.branch("new", 0)
    place.age(0, old / "build", old)
    for folder in (new / "build", new):
        os.utime(folder)
    order = CleanUpOrder(str(tmp_path), "1", RetentionRules())
    clean_up([order], {"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert not old.exists()
    assert new.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_job_that_does_not_fit_is_refused(coordinator: EmbeddedCoordinator, small_disk: Path) -> None:
    """A job that comes although the disk has filled is told so, with path, free and needed, as our failure.

    Then nothing more is asked for until there is room again.
    """
    token = coordinator.add_runner()
    tristan = {"min_free": "40MB"}
    with RunnerProcess(small_disk, coordinator.url, token, tristan=tristan) as runner:
        coordinator.wait_for(coordinator.enqueue(script=["true"]), "success")
        fault = coordinator.faults.add(Fault(Endpoint.REQUEST, delay=3.0))
        runner.until(lambda: fault.times == 0, "a request is under way")
        (small_disk / "big").write_bytes(bytes(40 * MIB))
        job_id = coordinator.enqueue(script=["true"])
        job = coordinator.wait_for(job_id, "failed")
        assert job.failure_reason == "runner_system_failure"
        trace = coordinator.trace(job_id).decode()
        assert f"There is no room for the job: {small_disk}/root/1 has 2" in trace
        assert "MB free, and 40.0 MB have to be (min_free)" in trace
        waiting = coordinator.enqueue(script=["true"])
        assert "min_free is 40.0 MB" in gc(runner).stdout
        assert coordinator.job(waiting).state == "pending"
        (small_disk / "big").unlink()
        coordinator.wait_for(waiting, "success")
    assert coordinator.violations == []


def test_a_mount_that_a_job_left(tmp_path: Path) -> None:
    """A job that was root has mounted a folder of the host in its sources: nothing of that is emptied."""
    place = Place(tmp_path / "root")
    ref = place.branch("old", 100)
    victim = tmp_path / "victim"
    place.fill(victim)
    inside = ref / "source" / "chroot"
    inside.mkdir()
    mounted = subprocess.run(["mount", "--bind", str(victim), str(inside)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.decode()}")
    try:
        place.age(100, ref / "build", ref)
        result = place.clean_up(keep_days=14, disk_budget=1)
        assert result.removed == []
        assert str(inside) in result.kept[0].why
        remove_tree(ref / "source")
        remove_sources(ref / "source", lambda: None)  # as at the end of a tag's job
        assert (victim / "file").exists()
    finally:
        subprocess.run(["umount", str(inside)], check=True)
    place.clean_up(keep_days=14)
    assert not ref.exists()
    assert (victim / "file").exists()


def test_trees_without_end(tmp_path: Path) -> None:
    """A tree deeper than any path is long is measured and removed like every other."""
    place = Place(tmp_path / "root")
    ref = place.branch("old", 100)
    name = "d" * 200
    here = os.open(ref / "source", os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(1500):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open("big", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, b"x" * MIB)
    os.close(file)
    os.close(here)
    place.age(100, ref / "build", ref)
    assert tree_size(ref / "source") > MIB
    CleanUp(place.business).run(RetentionRules())
    assert not ref.exists()
    assert list((place.business.slot(1) / ".removed").iterdir()) == []


def test_sizes_follow_no_link(tmp_path: Path) -> None:
    """Links count as themselves, several names of a file once, what is not there as nothing."""
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    outside.mkdir()
    tree.mkdir()
    (outside / "big").write_bytes(b"x" * 5 * MIB)
    (tree / "link").symlink_to(outside)
    (tree / "-file").write_bytes(b"x" * MIB)
    os.link(tree / "-file", tree / "again")
    assert MIB <= tree_size(tree) < 2 * MIB
    assert tree_size(tmp_path / "none") == 0


def test_jobs_that_come_meanwhile(coordinator: EmbeddedCoordinator, runner: RunnerProcess) -> None:
    """Clean-ups one after the other, with no room for anything, while jobs come and go: none is hurt."""
    ended = threading.Event()
    problems: list[BaseException] = []

    def clean() -> None:
        try:
            while not ended.is_set():
                if (runner.root / "1").is_dir():
                    CleanUp(Business(runner.root, "1")).run(RetentionRules(0, 0, 1))
        except BaseException as error:  # noqa: BLE001 - told by the test
            problems.append(error)

    thread = threading.Thread(target=clean)
    thread.start()
    try:
        script = ["touch before", "sleep 0.2", "ls before"]
        cache = [{"key": "k", "paths": ["before"], "policy": "pull-push", "when": "on_success"}]
        jobs = [coordinator.enqueue(script=script, cache=cache) for _ in range(12)]
        for job_id in jobs:
            coordinator.wait_for(job_id, "success")
    finally:
        ended.set()
        thread.join()
    assert problems == []
    assert coordinator.violations == []
