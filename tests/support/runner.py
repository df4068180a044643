"""A real ``pyrunner run`` for integration tests: started, killed and looked into from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import psutil

from pyrunner.jobdir.control import ControlDir

#: How long to wait for something that takes milliseconds on an idle machine.
PATIENCE = 60.0


class RunnerProcess:
    """One ``[[runners]]`` entry with its manager.

    :param settings: further keys of the entry; a dict becomes a sub-table.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        token: str,
        *,
        global_settings: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.home = folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.config = folder / "config.toml"
        self.url = url
        self.token = token
        self.settings = settings
        self.global_settings = {"concurrent": 4, "check_interval": 1, **(global_settings or {})}
        #: Further arguments of ``run``.
        self.arguments: list[str] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.write_config()

    def write_config(self) -> None:
        """Write config.toml from the settings."""
        tables = {key: value for key, value in self.settings.items() if isinstance(value, dict)}
        tables["tristan"] = {"root": str(self.root), **tables.get("tristan", {})}
        entry = {"name": "test", "url": self.url, "id": 1, "token": self.token, "executor": "shell"}
        entry.update({key: value for key, value in self.settings.items() if key not in tables})
        lines = [f"{key} = {json.dumps(value)}" for key, value in self.global_settings.items()]
        lines.append("[[runners]]")
        lines += [f"  {key} = {json.dumps(value)}" for key, value in entry.items()]
        for name, table in tables.items():
            lines.append(f"  [runners.{name}]")
            lines += [f"    {key} = {json.dumps(value)}" for key, value in table.items()]
        self.config.write_text("\n".join(lines) + "\n")

    # Life

    def start(self) -> Self:
        """Start the manager."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        options = ["--config", str(self.config), "--working-directory", str(self.folder)]
        with (self.folder / "manager.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pyrunner", "run", *options, *self.arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def kill(self) -> None:
        """SIGKILL the manager alone."""
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the manager."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for the manager's end and return its exit status."""
        assert self.process is not None
        status = self.process.wait(timeout)
        self.process = None
        return status

    def close(self) -> None:
        """End the manager and everything that was started below this folder."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        for _ in range(20):
            leftovers = self.leftovers()
            for process in leftovers:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            if not leftovers:
                return
            psutil.wait_procs(leftovers, timeout=1)

    @property
    def log(self) -> str:
        """What the manager has logged."""
        return (self.folder / "manager.log").read_text(errors="replace")

    # Looking into it

    def control(self, job_id: int) -> ControlDir:
        """Return the control directory of a job, once there is one."""
        found: list[Path] = []

        def exists() -> bool:
            found[:] = [path for path in self.root.glob(f"*/run/*/**/build/{job_id}") if path.is_dir()]
            return bool(found)

        self.until(exists, f"job {job_id} has a control directory")
        return ControlDir(found[0])

    def supervisor(self, job_id: int) -> psutil.Process:
        """Return the supervisor of a job."""
        control = self.control(job_id)
        found: list[psutil.Process] = []

        def alive() -> bool:
            try:
                value = json.loads(control.heartbeat.read_bytes())
                found[:] = [psutil.Process(value["pid"])]
            except (FileNotFoundError, psutil.NoSuchProcess):
                return False
            return True

        self.until(alive, "the supervisor beats")
        return found[0]

    def fork_server(self) -> psutil.Process:
        """Return the manager's fork server."""
        assert self.process is not None
        manager = psutil.Process(self.process.pid)
        found: list[psutil.Process] = []

        def exists() -> bool:
            found[:] = [
                child for child in manager.children() if any("spawner" in word for word in child.cmdline())
            ]
            return bool(found)

        self.until(exists, "the fork server lives")
        return found[0]

    def leftovers(self) -> list[psutil.Process]:
        """Return every live process that works below this folder, the manager apart."""
        mine = self.process.pid if self.process is not None else -1
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid in (mine, os.getpid()) or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                environ = process.environ()
                if environ.get("HOME") == str(self.home):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    @staticmethod
    def until(predicate: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
        """Wait until ``predicate`` holds; only for what has no event that a test could await."""
        ends = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() > ends:
                raise TimeoutError(f"not within {timeout} s: {what}")
            time.sleep(0.02)


def trace_lines(trace: bytes, stream: str = "01O") -> list[str]:
    """Return the lines that a job printed to a stream, headers removed and continuations joined."""
    lines: list[str] = []
    for raw in trace.decode(errors="replace").split("\n"):
        head, body = raw[:32], raw[32:]
        if head[28:31] != stream:
            continue
        if head[31:32] == "+" and lines:
            lines[-1] += body
        else:
            lines.append(body)
    return lines
