"""Many short jobs through one manager: nothing of it grows with their number."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from tests.support.runner import RunnerProcess

pytestmark = pytest.mark.integration

_log = logging.getLogger(__name__)

#: Jobs in all; the first quarter fills caches and pools.
JOBS = int(os.environ.get("PYRUNNER_SOAK_JOBS", "200"))
_MARKS = (JOBS // 4, JOBS // 2, JOBS)
_AT_ONCE = 20


@dataclass(frozen=True)
class Footprint:
    """What a manager and its fork server hold."""

    descriptors: int
    threads: int
    zombies: int
    #: MiB that no other process shares.
    memory: float

    @classmethod
    def of(cls, manager: psutil.Process) -> Footprint:
        """Look at the manager, and at its children without jobs."""
        processes = [manager, *manager.children(recursive=True)]
        zombies = [one for one in processes if one.status() == psutil.STATUS_ZOMBIE]
        living = [one for one in processes if one not in zombies]
        return cls(
            sum(one.num_fds() for one in living),
            sum(one.num_threads() for one in living),
            len(zombies),
            sum(one.memory_full_info().uss for one in living) / 2**20,
        )


def _run(coordinator: EmbeddedCoordinator, count: int) -> None:
    for begin in range(0, count, _AT_ONCE):
        ids = [coordinator.enqueue(script=["true"]) for _ in range(min(_AT_ONCE, count - begin))]
        for one in ids:
            coordinator.wait_for(one, "success", timeout=120)


@pytest.mark.timeout(1800)
def test_nothing_grows(tmp_path: Path) -> None:
    """Descriptors, threads, zombies and memory are after all jobs what they were after the first quarter."""
    with EmbeddedCoordinator(settings=CoordinatorSettings(trace_update_interval=1)) as coordinator:
        runner = RunnerProcess(
            tmp_path,
            coordinator.url,
            coordinator.add_runner(),
            global_settings={"concurrent": _AT_ONCE},
            request_concurrency=_AT_ONCE,
            feature_flags={"FF_USE_ADAPTIVE_REQUEST_CONCURRENCY": False},
        )
        with runner:
            assert runner.process is not None
            manager = psutil.Process(runner.process.pid)

            def settled() -> bool:
                return len(manager.children(recursive=True)) == 1

            done, seen = 0, []
            for mark in _MARKS:
                begun = time.monotonic()
                _run(coordinator, mark - done)
                rate = (mark - done) / (time.monotonic() - begun)
                RunnerProcess.until(settled, "supervisors of all jobs so far have ended")
                seen.append(Footprint.of(manager))
                _log.info("after %d jobs, %.1f a second since the last look: %s", mark, rate, seen[-1])
                done = mark
    early, *_, late = seen
    assert late.zombies == 0
    # Connections and their threads come and go with the polls that happen to be held.
    assert late.descriptors <= early.descriptors + 20
    assert late.threads <= early.threads + 20
    assert late.memory <= early.memory + 5 + JOBS / 500
