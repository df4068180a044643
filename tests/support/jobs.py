"""Jobs without a manager: a control directory, and supervisors that are started and killed at will."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from pyrunner.config.model import RunnerConfig
from pyrunner.coordinator.jobs import make_payload
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobResult, load_state
from pyrunner.jobdir.layout import Business, place_job
from pyrunner.jobdir.orders import Order, give_order
from pyrunner.jobdir.record import JobRecord
from pyrunner.protocol.job import decode_job
from pyrunner.system.lock import is_held
from tests.support.runner import PATIENCE, RunnerProcess, trace_lines

_SUPERVISE = (
    "import sys; from pathlib import Path; from pyrunner.supervisor.main import supervise; "
    "sys.exit(supervise(Path(sys.argv[1])))"
)


@dataclass
class PlacedJob:
    """A job in its directory, ready for a supervisor."""

    folder: Path
    control: ControlDir
    payload: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def place(
        cls, folder: Path, *, job_id: int = 1, runner: dict[str, Any] | None = None, **arguments: Any
    ) -> Self:
        """Make the control directory of a job.

        :param runner: keys of the ``[[runners]]`` entry.
        :param arguments: of :func:`pyrunner.coordinator.jobs.make_payload`.
        """
        (folder / "home").mkdir(parents=True, exist_ok=True)
        business = Business(folder / "root", "1")
        payload = make_payload(job_id, **arguments)
        job = decode_job(payload)
        place = place_job(business, 1, job)
        control = ControlDir(place.control)
        control.create()
        entry = {
            "name": "test",
            "url": "http://127.0.0.1",
            "token": "glrt-0123456789abcdefghij",
            "executor": "shell",
        }
        config = RunnerConfig.from_dict({**RunnerConfig().to_dict(), **entry, **(runner or {})})
        JobRecord(
            payload=payload,
            runner=config.to_dict(),
            business=str(business.path),
            business_id="1",
            system_id="s_0123456789ab",
            correlation_id="0123456789abcdef0123456789abcdef",
            received_at=time.time(),
            source=str(place.source),
            project=str(place.project),
            keep_source=place.keep_source,
            cache=str(business.project_cache(job, False)),
            working_directory=str(folder),
        ).store(control.job)
        return cls(folder, control, payload)

    def start(self, prelude: str = "") -> Self:
        """Start a supervisor.

        :param prelude: Python that it runs first, to die at a certain point.
        """
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with self.control.supervisor_log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"{prelude}\n{_SUPERVISE}", str(self.control.path)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def kill(self) -> None:
        """SIGKILL the supervisor alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def finish(self, timeout: float = PATIENCE) -> JobResult:
        """Wait for the supervisor's end and return the job's result."""
        if self.process is None:
            self.start()
        assert self.process is not None
        self.process.wait(timeout)
        self.process = None
        state = load_state(self.control.state)
        log = self.control.supervisor_log.read_text()
        assert state is not None, log
        assert state.phase == "finished", log
        assert state.result is not None
        return state.result

    def processes(self) -> list[psutil.Process]:
        """Return the live processes that have this job's home folder, its running supervisor apart."""
        home = str(self.folder / "home")
        mine = self.process.pid if self.process is not None else -1
        found = []
        for process in psutil.process_iter():
            try:
                alive = process.status() != psutil.STATUS_ZOMBIE and process.pid != mine
                if alive and process.environ().get("HOME") == home:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    @property
    def finished(self) -> bool:
        """Tell whether the job has its result."""
        state = load_state(self.control.state)
        return state is not None and state.phase == "finished"

    def await_unlocked(self) -> None:
        """Wait until no supervisor has the job."""
        RunnerProcess.until(lambda: not is_held(self.control.lock), "the lock is free")

    def order(self, order: Order, text: str = "") -> None:
        """Leave an order for the supervisor."""
        give_order(self.control, order, text)

    def await_output(self, text: bytes) -> None:
        """Wait until the raw log holds ``text``."""

        def there() -> bool:
            return self.control.raw_log.exists() and text in self.control.raw_log.read_bytes()

        RunnerProcess.until(there, f"{text!r} in the output")

    @property
    def trace(self) -> bytes:
        """The trace so far."""
        return self.control.trace_log.read_bytes()

    @property
    def output(self) -> list[str]:
        """What the scripts printed to standard output, echoed commands left out."""
        return [line for line in trace_lines(self.trace) if not line.startswith("\x1b[32;1m$ ")]

    def sections(self) -> list[str]:
        """Return the sections of the trace in order."""
        return re.findall(r"section_start:\d+:(\w+)", self.trace.decode(errors="replace"))


def comparable(trace: bytes) -> list[bytes]:
    """Return the lines of a trace without times and resource use: the same for the same job."""
    without_times = re.sub(rb"section_(start|end):\d+", rb"section_\1:0", trace)
    return [line[27:] for line in without_times.split(b"\n") if b"  wall " not in line]
