"""Rules of :mod:`pyrunner.manager.shutdown`: what an exit waits for (design R7, R9)."""

from __future__ import annotations

import select
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pyrunner.gitlab.cancel import Cancellation
from pyrunner.gitlab.updates import UpdateResult, UpdateState
from pyrunner.jobdir.journal import JobResult
from pyrunner.manager.capacity import Capacity
from pyrunner.manager.delivery import Delivery
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.roster import Roster
from pyrunner.manager.shutdown import DETACH_GRACE, PATIENT_TRIES, TIDY_GRACE, Shutdown
from pyrunner.manager.tracked import TrackedJob
from tests.unit.manager.jobs import job_on_disk


class World:
    """A shutdown with one job that has ended and whose result is not delivered yet."""

    def __init__(self, folder: Path, on_stop: str = "detach") -> None:
        self.mailbox = Mailbox()
        self.roster = Roster(self.mailbox, Capacity(1), None, lambda _: None)
        delivery = Delivery(self.mailbox, lambda: 0.0, Cancellation(), lambda _: None)
        self.shutdown = Shutdown(
            self.roster,
            delivery,
            stop_polling=lambda: None,
            cancel_polls=lambda: None,
            polls=lambda: 0,
            why_abort=lambda: "",
        )
        self.job = self._ended(job_on_disk(folder), on_stop)

    def _ended(self, job: TrackedJob, on_stop: str) -> TrackedJob:
        config = job.link.config
        job.link = replace(job.link, config=replace(config, tristan=replace(config.tristan, on_stop=on_stop)))
        self.roster.add(job)
        self.roster.finish(job, JobResult("success"), 0.0)
        return job

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.job.shipper.updated(UpdateResult(UpdateState.FAILED), 0.0)

    def settle(self) -> None:
        """Return when nothing is being tidied up."""
        while not self.roster.idle:
            select.select([self.mailbox], [], [], 60)
            self.mailbox.deliver()

    def exits(self, now: float) -> bool:
        self.shutdown.step(now)
        return self.shutdown.exit_code is not None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path)
    yield one
    one.mailbox.close()


@pytest.mark.parametrize("begin", ["quit", "leave", "interrupt"])
def test_a_result_that_failed_once_is_waited_for(world: World, begin: str) -> None:
    """One dropped connection leaves no result behind: who is drained may not start again soon."""
    if begin == "leave":
        world.shutdown.leave(0.0)
    else:
        world.shutdown.received(signal.SIGQUIT if begin == "quit" else signal.SIGINT, 0.0)
    world.fail()
    assert not world.exits(20.0)
    world.fail(PATIENT_TRIES - 1)
    assert world.exits(21.0)
    assert world.shutdown.exit_code == 0


def test_a_forceful_end_waits_no_longer_than_its_time(world: World) -> None:
    """shutdown_timeout bounds the wait for results, which are kept."""
    world.shutdown.received(signal.SIGINT, 0.0)
    world.fail()
    assert not world.exits(29.0)
    assert world.exits(30.0)
    assert world.shutdown.exit_code == 0


def test_detaching_takes_seconds(world: World) -> None:
    """SIGTERM leaves what cannot be delivered at once to the next start."""
    world.shutdown.received(signal.SIGTERM, 0.0)
    assert not world.exits(DETACH_GRACE - 1)
    assert world.exits(DETACH_GRACE)


def test_the_last_job_is_tidied_up(world: World) -> None:
    """However long the wait was: its secrets go before the exit, unless something holds that up."""
    world.shutdown.received(signal.SIGQUIT, 0.0)
    assert not world.exits(1000.0)
    world.roster.acknowledged(world.job)
    assert not world.exits(1001.0), "the thread's word is not heard before the mailbox is emptied"
    world.settle()
    assert world.exits(1001.0 + TIDY_GRACE / 2)
    assert world.roster.idle


def test_nothing_holds_up_an_exit_for_long(world: World) -> None:
    """What cannot be tidied up in a moment is left to the next start."""
    world.shutdown.received(signal.SIGQUIT, 0.0)
    world.roster.acknowledged(world.job)
    assert not world.exits(1000.0)
    assert not world.exits(1000.0 + TIDY_GRACE - 0.1)
    assert world.exits(1000.0 + TIDY_GRACE)


@pytest.mark.parametrize("on_stop", ["wait", "abort"])
def test_a_job_that_was_waited_for_is_reported(tmp_path: Path, on_stop: str) -> None:
    """With on_stop = wait or abort, the result of a job that took its time goes out before the exit."""
    world = World(tmp_path, on_stop)
    world.shutdown.received(signal.SIGTERM, 0.0)
    assert not world.exits(DETACH_GRACE + 1)
    world.mailbox.close()
