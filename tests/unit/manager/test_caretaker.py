"""Rules of :mod:`pyrunner.manager.caretaker`: the table of design R5, row by row."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobResult
from pyrunner.jobdir.orders import Order, read_order
from pyrunner.manager.caretaker import HUNG_AFTER, MOST_RESTARTS, Caretaker
from pyrunner.manager.cursor import Cursor
from pyrunner.manager.spawner_client import SpawnAnswer
from pyrunner.manager.tracked import TrackedJob
from pyrunner.manager.verdict import load_verdict
from pyrunner.system.lock import OpenFileLock, is_held
from pyrunner.system.process import ProcessIdentity
from tests.unit.manager.jobs import control_of, job_on_disk, store_journal, store_trace


class RecordingSpawner:
    """Records what was asked for; each supervisor dies at once unless the test keeps its lock."""

    def __init__(self) -> None:
        self.asked: list[ControlDir] = []
        self.pid = 1
        self.keep = False
        self.locks: list[OpenFileLock] = []

    def spawn(self, control: ControlDir, lock: OpenFileLock, done: Callable[[SpawnAnswer], None]) -> None:
        self.asked.append(control)
        if self.keep:
            self.locks.append(lock)
        else:
            lock.close()
        done(SpawnAnswer(self.pid, "" if self.pid else "no memory"))


class World:
    def __init__(self, folder: Path) -> None:
        self.spawner = RecordingSpawner()
        self.ended: list[JobResult] = []
        self.caretaker = Caretaker(self.spawner, self._end, wall=lambda: 1_700_000_000.0)
        self.job = job_on_disk(folder)

    def _end(self, _job: TrackedJob, result: JobResult) -> None:
        self.ended.append(result)

    def look(self, now: float = 0.0) -> None:
        self.caretaker.look(self.job, now)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    yield one
    for lock in one.spawner.locks:
        lock.close()


def test_free_and_not_begun_is_started(world: World) -> None:
    """A job without a supervisor gets one, which holds the lock."""
    world.spawner.keep = True
    world.look()
    assert world.spawner.asked == [world.job.control]
    assert is_held(control_of(world.job).lock)
    world.look()
    assert len(world.spawner.asked) == 1


def test_free_and_finished_is_delivered(world: World) -> None:
    """A job that ended while nobody looked is delivered, not started again."""
    result = JobResult("failed", "script_failure", 3, "exit status 3")
    store_journal(world.job, 1, result)
    world.look()
    assert world.ended == [result]
    assert world.spawner.asked == []


def test_held_and_finished_is_delivered(world: World) -> None:
    """A supervisor that is about to exit keeps nobody waiting."""
    world.spawner.keep = True
    world.look()
    store_journal(world.job, 1, JobResult("success"))
    world.look()
    assert world.ended == [JobResult("success")]


def test_an_end_within_one_tick_of_the_clock_is_seen(world: World) -> None:
    """Two versions of a journal with one time stamp are told apart: the second is not passed over."""
    world.spawner.keep = True
    world.look()
    state = control_of(world.job).state
    store_journal(world.job, 1)
    os.utime(state, ns=(10**18, 10**18))
    world.look()
    store_journal(world.job, 1, JobResult("success"))
    os.utime(state, ns=(10**18, 10**18))
    world.look()
    assert world.ended == [JobResult("success")]


def test_dead_supervisor_is_replaced_three_times_then_given_up(world: World) -> None:
    """Without progress, the first start and three restarts are all; then it is a system failure."""
    store_trace(world.job, b"2026-01-02T03:04:05.000006Z 00O begun\n2026-01-02T03:04:06.000006Z 01O unended")
    for _ in range(10):
        if not world.ended:
            world.look()
    assert len(world.spawner.asked) == 1 + MOST_RESTARTS
    (result,) = world.ended
    assert (result.state, result.failure_reason) == ("failed", "runner_system_failure")
    trace = world.job.trace.read(0, 10_000).decode()
    assert trace.splitlines()[-1].startswith(
        "2023-11-14T22:13:20.000000Z 00O \x1b[31;1mERROR: Job failed (system"
    )
    assert "unended\n2023" in trace
    assert load_verdict(control_of(world.job)) is not None


def test_progress_starts_the_count_anew(world: World) -> None:
    """A job that gets further at each start is never given up."""
    for steps in range(12):
        store_journal(world.job, steps)
        world.look()
    assert world.ended == []
    assert len(world.spawner.asked) == 12


def test_the_count_outlives_the_manager(world: World) -> None:
    """Restarts are counted on disk: a manager that is killed as well does not begin at zero."""
    world.look()
    world.look()
    assert Cursor.load(control_of(world.job).cursor).starts == 2


def test_failed_fork_is_tried_again_and_not_counted(world: World) -> None:
    """A fork server without memory is no supervisor without progress."""
    world.spawner.pid = 0
    for _ in range(10):
        world.look()
    assert len(world.spawner.asked) == 10
    assert world.ended == []


def test_silent_supervisor_is_killed(world: World) -> None:
    """60 seconds without a heartbeat, by our own clock: SIGKILL to exactly the process that last beat."""
    world.spawner.keep = True
    world.look()
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        identity = ProcessIdentity.of(sleeper.pid)
        assert identity is not None
        heartbeat = control_of(world.job).heartbeat
        heartbeat.write_text(json.dumps(identity.to_dict()))
        world.look(100.0)
        world.look(100.0 + HUNG_AFTER)
        assert sleeper.poll() is None
        world.look(101.0 + HUNG_AFTER)
        assert sleeper.wait(30) == -signal.SIGKILL
    finally:
        sleeper.kill()
        sleeper.wait()


def test_beating_supervisor_is_left_alone(world: World) -> None:
    """Each new beat starts the minute anew."""
    world.spawner.keep = True
    world.look()
    heartbeat = control_of(world.job).heartbeat
    identity = ProcessIdentity(2**22 - 1, 1)
    for beat in range(5):
        heartbeat.unlink(missing_ok=True)
        heartbeat.write_text(json.dumps(identity.to_dict()))
        os.utime(heartbeat, ns=(beat * 10**9, beat * 10**9))
        world.look(beat * (HUNG_AFTER - 1))
    assert world.ended == []
    assert len(world.spawner.asked) == 1


def test_nothing_starts_when_it_may_not(world: World) -> None:
    """A manager that is about to exit starts nothing."""
    world.caretaker.may_start = False
    world.look()
    assert world.spawner.asked == []


def test_journal_of_a_newer_version_ends_the_job(world: World) -> None:
    """A journal that cannot be read, with nobody at work, is a system failure with the reason."""
    control_of(world.job).state.write_text('{"schema": 99}')
    world.look()
    assert "schema 99" in world.ended[0].message


def test_orders_are_passed_on(world: World) -> None:
    """What the coordinator wants reaches the supervisor's folder, once."""
    world.job.shipper.cancel_requested = True
    world.look()
    world.look()
    assert read_order(control_of(world.job), Order.CANCEL) == ""
    assert read_order(control_of(world.job), Order.ABORT) is None
    world.job.shipper.aborted = True
    world.look()
    assert read_order(control_of(world.job), Order.ABORT) == ""
