"""Calls beside the heartbeat (background)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pyrunner.errors import DiskFull, EngineError
from pyrunner.executors.base import StageStopped, Stop, StopKind
from pyrunner.executors.docker.engine.background import in_background
from tests.support.job_reports import JobLife


@pytest.fixture
def life(tmp_path: Path) -> JobLife:
    """A supervisor's share of a job."""
    return JobLife(tmp_path)


def test_results_and_errors_come_through(life: JobLife) -> None:
    """As if the call had been made here."""

    def fail() -> None:
        raise EngineError("no", 404)

    with life.supervisor() as (report, _):
        assert in_background(lambda: 7, report) == 7
        with pytest.raises(EngineError):
            in_background(fail, report)


def test_the_heart_beats_and_more_is_done_meanwhile(life: JobLife) -> None:
    """``meanwhile`` is called in the caller's thread while the work lasts."""
    enough = threading.Event()
    threads: list[threading.Thread] = []

    def meanwhile() -> None:
        threads.append(threading.current_thread())
        if len(threads) == 3:
            enough.set()

    with life.supervisor() as (report, _):
        assert in_background(lambda: enough.wait(30), report, meanwhile=meanwhile)
    assert set(threads) == {threading.current_thread()}
    assert life.watch.looks >= 3


def test_a_stopped_job_gives_up(life: JobLife) -> None:
    """The stop is raised when the work has ended, whatever that came to."""
    given_up = threading.Event()
    life.watch.stop = Stop(StopKind.CANCEL)
    with life.supervisor() as (report, _), pytest.raises(StageStopped):
        in_background(lambda: given_up.wait(30), report, given_up.set)
    assert given_up.is_set()


def test_what_meanwhile_fails_with_gives_up(life: JobLife) -> None:
    """A full disk ends the work like a stop; no thread is left behind."""
    given_up = threading.Event()
    ended: list[bool] = []

    def meanwhile() -> None:
        raise DiskFull("no room")

    with life.supervisor() as (report, _), pytest.raises(DiskFull):
        in_background(lambda: ended.append(given_up.wait(30)), report, given_up.set, meanwhile)
    assert ended == [True]
