"""``pyrunner demo``: small pipelines on this machine, from registration to their traces, with no GitLab.

It does what an operator does: a coordinator (our own, on loopback), ``pyrunner register``,
``pyrunner run``, three jobs; then a table of what they took, and everything is stopped. Then what a developer
does: ``pyrunner exec`` in a working copy (:mod:`.demo_pipeline`).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
from tabulate import tabulate

from pyrunner.cli.demo_pipeline import make_repository, run_sample
from pyrunner.cli.traceview import TraceView
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.errors import PyrunnerError

_COLOURS: Final = (36, 35, 33)
_LINES_SHOWN: Final = 12


@dataclass(frozen=True)
class DemoJob:
    """A job of the demo and how it should end."""

    name: str
    script: list[str]
    after_script: list[str] | None
    state: str
    exit_code: int = 0


JOBS: Final = (
    DemoJob("unit", ["./pick.sh 12", "./weigh.sh pears.txt"], None, "success"),
    DemoJob(
        "audit",
        ['echo "looking for rotten pears"', "./audit.sh pears.txt"],
        ['echo "job status is $CI_JOB_STATUS"'],
        "failed",
        3,
    ),
    DemoJob("harvest", ["./harvest.sh 50000"], None, "success"),
)


@click.command("demo")
@click.option("--keep/--no-keep", default=True, help="Leave the run directory for a look. Default: keep.")
@click.option("--quiet", is_flag=True, help="No traces, only the closing table.")
def demo(keep: bool, quiet: bool) -> None:
    """Run a small pipeline on this machine with no GitLab at all.

    Example: pyrunner demo --quiet
    """
    samples = Path(__file__).resolve().parents[2] / "examples"
    if not samples.is_dir():
        raise PyrunnerError(f"{samples} is missing: the demo needs a checkout, not only the package")
    folder = Path(tempfile.mkdtemp(prefix="pyrunner-demo-"))
    demonstration = Demonstration(folder, Console(quiet))
    try:
        passed = demonstration.run(samples / "orchard")
        click.echo()
        passed &= run_sample(samples / "pipeline", folder, os.environ, quiet)
    finally:
        demonstration.stop()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if keep:
        click.echo(f"\nEverything the jobs left is below {folder}; remove it when you have looked.")
    if not passed:
        raise PyrunnerError("the demo did not go as expected; see above")


@dataclass
class Console:
    """Shows the traces of several jobs side by side; long ones are shortened."""

    quiet: bool
    _views: dict[int, TraceView] = field(default_factory=dict)
    _shown: dict[int, int] = field(default_factory=dict)
    _held: dict[int, list[bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, job_id: int, name: str) -> None:
        """Show a job from now on under ``name``."""
        colour = _COLOURS[len(self._views) % len(_COLOURS)]
        self._views[job_id] = TraceView(f"\x1b[{colour}m{name:>8} |\x1b[0m ")
        self._shown[job_id] = 0
        self._held[job_id] = []

    def on_trace(self, job_id: int, data: bytes) -> None:
        """Take the next piece of a job's trace."""
        with self._lock:
            view = self._views.get(job_id)
            if view is not None:
                self._show(job_id, view.feed(data))

    def close(self) -> None:
        """Show what was held back."""
        with self._lock:
            for job_id, view in self._views.items():
                self._show(job_id, view.close())
                self._flush(job_id)

    def _show(self, job_id: int, lines: list[bytes]) -> None:
        """Print the head of a run of lines at once and hold the rest: only its end will be shown."""
        for line in lines:
            if self._shown[job_id] < 4 * _LINES_SHOWN:
                self._shown[job_id] += 1
                self._print(line)
                continue
            held = self._held[job_id]
            held.append(line)
            if len(held) > 3 * _LINES_SHOWN:
                self._shown[job_id] += 1
                del held[0]

    def _flush(self, job_id: int) -> None:
        left_out = self._shown[job_id] - 4 * _LINES_SHOWN
        if left_out > 0:
            self._print(f"\x1b[2m           … {left_out} lines, all at the coordinator …\x1b[0m".encode())
        for line in self._held[job_id]:
            self._print(line)
        self._held[job_id] = []

    def _print(self, line: bytes) -> None:
        if not self.quiet:
            sys.stdout.buffer.write(line + b"\x1b[0m\n")
            sys.stdout.buffer.flush()


class Demonstration:
    """Coordinator, runner and jobs of one demo run below ``folder``."""

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder = folder
        self.console = console
        self.config = folder / "config.toml"
        self.root = folder / "tristan"
        settings = CoordinatorSettings(trace_update_interval=1)
        self.coordinator = EmbeddedCoordinator(
            directory=folder / "coordinator", settings=settings, on_trace=console.on_trace
        )
        self.runner: subprocess.Popen[bytes] | None = None

    def run(self, sample: Path) -> bool:
        """Run the jobs; True when each ended as it should."""
        self.coordinator.start()
        self._make_repository(sample)
        token = self.coordinator.add_runner()
        click.echo(f"coordinator  {self.coordinator.url}")
        click.echo(f"run folder   {self.root}\n")
        self._register(token)
        ids = {}
        for job in JOBS:
            job_id = self.coordinator.enqueue(
                repository="demo/orchard", name=job.name, script=job.script, after_script=job.after_script
            )
            self.console.add(job_id, job.name)
            ids[job_id] = job
        click.echo("$ pyrunner run\n")
        with (self.folder / "runner.log").open("wb") as log:
            self.runner = subprocess.Popen(
                [sys.executable, "-m", "pyrunner", "run", *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            for job_id in ids:
                self.coordinator.wait_for(job_id, timeout=120)
        except TimeoutError as error:
            self.console.close()
            log_end = (self.folder / "runner.log").read_text(errors="replace")[-2000:]
            raise PyrunnerError(f"{error}\nthe runner's log ends:\n{log_end}") from None
        self.console.close()
        self.stop()
        return self._closing_table(ids)

    def stop(self) -> None:
        """Stop the runner and the coordinator; safe twice."""
        if self.runner is not None:
            # Nothing runs any more: a quit would wait for nothing, and stops the fork server too.
            self.runner.send_signal(signal.SIGQUIT)
            try:
                self.runner.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.runner.kill()
                self.runner.wait()
            self.runner = None
        self.coordinator.stop()

    def _options(self) -> list[str]:
        return ["--config", str(self.config), "--working-directory", str(self.folder)]

    def _register(self, token: str) -> None:
        command = [
            *("register", "--non-interactive", "--config", str(self.config)),
            *("--url", self.coordinator.url, "--executor", "shell", "--name", "demo"),
        ]
        click.echo("$ pyrunner " + " ".join(command))
        done = subprocess.run(
            [sys.executable, "-m", "pyrunner", *command],
            env={**os.environ, "CI_SERVER_TOKEN": token},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise PyrunnerError("registration failed; see above")
        text = self.config.read_text().replace("concurrent = 1", f"concurrent = {len(JOBS)}", 1)
        self.config.write_text(
            text.replace("check_interval = 0", "check_interval = 1", 1)
            + f'\n  [runners.tristan]\n    root = "{self.root}"\n    business_id = "demo"\n'
        )

    def _make_repository(self, sample: Path) -> None:
        tree = self.folder / "orchard"
        shutil.copytree(sample, tree)
        make_repository(tree)
        self.coordinator.add_repository("demo/orchard", tree)

    def _closing_table(self, ids: dict[int, DemoJob]) -> bool:
        rows = []
        as_expected = True
        for job_id, expected in ids.items():
            job = self.coordinator.job(job_id)
            as_expected &= job.state == expected.state and job.exit_code == expected.exit_code
            control = next(self.root.glob(f"*/run/*/**/build/{job_id}"))
            stats = _stats(control / "stats.json")
            end = f"{job.state} (exit code {job.exit_code})" if job.exit_code else str(job.state)
            rows.append([expected.name, end, *stats, str(control.relative_to(self.folder))])
        click.echo()
        click.echo(tabulate(rows, headers=["job", "state", "duration", "CPU", "peak memory", "folder"]))
        violations = self.coordinator.violations
        for violation in violations:
            click.echo(f"protocol violation: {violation}")
        return as_expected and not violations


def _stats(path: Path) -> list[str]:
    value: dict[str, Any] = json.loads(path.read_text())
    job = value["job"]
    cpu = (job["cpu_user"] or 0) + (job["cpu_system"] or 0)
    memory = f"{job['peak_memory'] / 2**20:.1f} MiB" if job["peak_memory"] is not None else "-"
    return [f"{value['ended_at'] - value['started_at']:.2f} s", f"{cpu:.2f} s", memory]
