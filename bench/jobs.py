"""Overhead, rate and memory of jobs through a real manager, with the embedded coordinator on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.figures import Figure, median
from pyrunner.coordinator.records import JobRecord
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings

#: Prints the time at which the script's first and last command run.
_STAMPS = ["echo first=$EPOCHREALTIME", "echo last=$EPOCHREALTIME"]


@dataclass
class Bench:
    """A coordinator and a manager below a temporary folder."""

    coordinator: EmbeddedCoordinator
    manager: psutil.Process

    def run(self, count: int, at_once: int) -> list[JobRecord]:
        """Run trivial jobs, ``at_once`` of them together, and return their records."""
        done: list[JobRecord] = []
        while len(done) < count:
            ids = [self.coordinator.enqueue(script=_STAMPS) for _ in range(min(at_once, count - len(done)))]
            done.extend(self.coordinator.wait_for(one, "success", timeout=120) for one in ids)
        return done


@contextmanager
def bench(concurrent: int) -> Iterator[Bench]:
    """Start a coordinator and a manager with a home whose profile is empty."""
    with tempfile.TemporaryDirectory(prefix="pyrunner-bench-") as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        with EmbeddedCoordinator(settings=CoordinatorSettings(long_poll_seconds=50)) as coordinator:
            token = coordinator.add_runner()
            config = folder / "config.toml"
            config.write_text(
                f"concurrent = {concurrent}\ncheck_interval = 1\n[[runners]]\n"
                f'name = "bench"\nurl = "{coordinator.url}"\nid = 1\ntoken = "{token}"\n'
                f'executor = "shell"\nrequest_concurrency = {concurrent}\n'
                "[runners.feature_flags]\nFF_USE_ADAPTIVE_REQUEST_CONCURRENCY = false\n"
                f'[runners.tristan]\nroot = "{folder / "root"}"\n'
            )
            with (folder / "manager.log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "pyrunner", "run", "--config", str(config)],
                    env={**os.environ, "HOME": str(home)},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            try:
                yield Bench(coordinator, psutil.Process(process.pid))
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(60)


def overhead(jobs: list[JobRecord]) -> tuple[float, float]:
    """Return the median milliseconds before the script and after it."""
    before, after = [], []
    for job in jobs:
        assigned = next(one.time for one in job.events if one.name == "assigned")
        finished = [one.time for one in job.events if one.name == "state"][-1]
        trace = job.trace.read().decode(errors="replace")
        first, last = (float(trace.rsplit(f"{word}=", 1)[1].split()[0]) for word in ("first", "last"))
        before.append((first - assigned) * 1000)
        after.append((finished - last) * 1000)
    return median(before), median(after)


def job_figures() -> list[Figure]:
    """Measure one job at a time, twenty at a time, and the rate of many."""
    figures: list[Figure] = []
    with bench(concurrent=20) as running:
        running.run(3, 1)
        before, after = overhead(running.run(15, 1))
        figures.append(Figure("201 to first script byte, 1 at a time", before, "ms"))
        figures.append(Figure("script end to final PUT, 1 at a time", after, "ms"))
        total = before + after
        figures.append(Figure("job overhead, no git, 1 at a time", total, "ms", 150, note=_login_note()))
        before, after = overhead(running.run(60, 20))
        figures.append(Figure("201 to first script byte, 20 at a time", before, "ms"))
        figures.append(Figure("script end to final PUT, 20 at a time", after, "ms"))
        count = 100
        started = time.monotonic()
        ids = [running.coordinator.enqueue(script=["true"]) for _ in range(count)]
        for one in ids:
            running.coordinator.wait_for(one, "success", timeout=120)
        rate = count / (time.monotonic() - started)
        figures.append(Figure("jobs per second through one manager", rate, "/s", smaller=False))
    return figures


def _login_note() -> str:
    with tempfile.TemporaryDirectory() as home:
        times = []
        for _ in range(5):
            started = time.monotonic()
            subprocess.run(["bash", "-l", "-c", "true"], env={**os.environ, "HOME": home}, check=True)
            times.append((time.monotonic() - started) * 1000)
    return f"two login shells of {median(times):.1f} ms each are in it"


def memory_figures() -> list[Figure]:
    """Measure the idle manager, its fork server, and what each running job adds."""
    count = 10
    with bench(concurrent=count) as running:
        running.coordinator.settings.trace_update_interval = 1
        running.run(3, 1)
        idle = _unique(running.manager)
        servers = [one for one in running.manager.children() if _ours(one)]
        server_memory = sum(_unique(one) for one in servers[:1])
        ids = [running.coordinator.enqueue(script=["echo begun", "sleep 10"]) for _ in range(count)]
        for one in ids:
            running.coordinator.wait_for_trace(one, b"begun\n", timeout=60)
        # Supervisors are the fork server's children, wrappers theirs; the job's own shells do not count.
        jobs = [one for server in servers for one in server.children(recursive=True) if _ours(one)]
        private = sum(_unique(one) for one in jobs) / count
        for one in ids:
            running.coordinator.wait_for(one, "success", timeout=60)
        rss = running.manager.memory_info().rss / 2**20
    return [
        Figure("idle manager, resident", rss, "MiB", 60),
        Figure("idle manager, private", idle, "MiB"),
        Figure("idle fork server, private", server_memory, "MiB"),
        Figure(
            "private memory per running job", private, "MiB", 8, note=f"{len(jobs) / count:.0f} processes"
        ),
    ]


def _ours(process: psutil.Process) -> bool:
    try:
        return any("pyrunner.supervisor.spawner" in word for word in process.cmdline())
    except psutil.NoSuchProcess:  # a zombie has no command line either
        return False


def _unique(process: psutil.Process) -> float:
    return float(process.memory_full_info().uss / 2**20)
