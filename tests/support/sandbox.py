"""Stages in the real sandbox, under a real wrapper, and what a host needs for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrunner.executors.sandbox.available import sandbox_available
from pyrunner.executors.sandbox.interpreter import Interpreter
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.executors.wrapper import read_exit
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.cgroup import JobCgroup
from tests.support.requirement import lacking

_PROGRAM = """
import json, os, sys
from pathlib import Path
from pyrunner.executors.sandbox.interpreter import Interpreter
from pyrunner.executors.sandbox.plan import Mount, SandboxPlan
from pyrunner.executors.sandbox.tools import TOOLS
from pyrunner.executors.sandbox.work import SandboxWork
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.executors.wrapper import spawn_wrapper
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.cgroup import JobCgroup
from pyrunner.system.lock import OpenFileLock

given = json.loads(sys.argv[1])
files = StageFiles(ControlDir(Path(given["control"])), given["key"])
mounts = tuple(Mount(Path(source), target, writable) for source, target, writable in given["mounts"])
plan = SandboxPlan(mounts=mounts, interpreter=Interpreter.current(), **given["plan"])
tools = [one for one in TOOLS if one.name in given["tools"]]
nothing = lambda: None
group = JobCgroup.from_dict(given["group"]) if given["group"] else None
limits = {name: (soft, hard) for name, soft, hard in given["limits"]}
enter = group.enter if group is not None else nothing
work = SandboxWork(files, plan, given["marker"], 1e18, enter, nothing, tools, limits=limits)
pid = spawn_wrapper(work, OpenFileLock.take(files.lock))
print(pid, flush=True)
if given["wait"]:
    os.waitpid(pid, 0)
"""


def need_sandbox() -> None:
    """Skip the test where the sandbox cannot work, with the reason."""
    reason = sandbox_available()
    if reason:
        lacking("sandbox", f"no workspace sandbox: {reason}")


@dataclass
class Site:
    """A job's folders, and a wrapper for each stage."""

    folder: Path
    _stages: int = 0

    def __post_init__(self) -> None:
        """Make the folders, closed to other users as the real ones are."""
        self.folder.chmod(0o700)
        self.control = ControlDir(self.folder / "control")
        self.control.create()
        for one in (self.source, self.cache):
            one.mkdir()
            one.chmod(0o777)

    @property
    def source(self) -> Path:
        """Mounted at /builds."""
        return self.folder / "source"

    @property
    def cache(self) -> Path:
        """Mounted at /cache on demand."""
        return self.folder / "slot1"

    @contextmanager
    def stage(
        self,
        script: str,
        mounts: tuple[tuple[Path, str, bool], ...] = (),
        tools: tuple[str, ...] = ("pasta", "slirp4netns"),
        wait: bool = True,
        group: JobCgroup | None = None,
        limits: Mapping[str, tuple[int | None, int | None]] | None = None,
        **plan: Any,
    ) -> Iterator[Stage]:
        """Start a stage, in a control group if one is given; its output is collected from the start."""
        self._stages += 1
        files = StageFiles.of(self.control, self._stages, "stage")
        files.make_fifos()
        files.script.write_text(script)
        if wait:
            files.drained.touch()
        stage = Stage(files)
        stage.open()
        given = {
            "control": str(self.control.path),
            "key": files.key,
            "mounts": [(str(self.source), "/builds", True), *((str(a), b, c) for a, b, c in mounts)],
            "plan": {"network": False, **plan},
            "tools": tools,
            "marker": f"job-{os.getpid()}-{self._stages}",
            "wait": wait,
            "group": group.to_dict() if group is not None else None,
            "limits": [(name, *values) for name, values in (limits or {}).items()],
        }
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, json.dumps(given)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            timeout=60,
        )
        stage.wrapper = int(done.stdout)
        try:
            yield stage
        finally:
            stage.close()

    def run(self, script: str, **options: Any) -> tuple[dict[str, Any], str]:
        """Run a stage to its end; returns the exit record and all output."""
        with self.stage(script, **options) as stage:
            record = stage.exit
            assert record is not None, self.control.supervisor_log.read_text()
            return record, stage.text()


class Stage:
    """One stage's files and output."""

    def __init__(self, files: StageFiles) -> None:
        self.files = files
        self.wrapper = 0
        self._chunks: list[bytes] = []
        self._pipes: list[int] = []
        self._threads: list[threading.Thread] = []

    def open(self) -> None:
        """Read both pipes until we close them ourselves."""
        for fifo in (self.files.stdout, self.files.stderr):
            fd = os.open(fifo, os.O_RDWR)
            thread = threading.Thread(target=self._read, args=(fd,), daemon=True)
            thread.start()
            self._pipes.append(fd)
            self._threads.append(thread)

    def _read(self, fd: int) -> None:
        while True:
            data = os.read(fd, 65536)
            if data.endswith(b"\0END\0"):
                self._chunks.append(data[:-5])
                return
            self._chunks.append(data)

    def close(self) -> None:
        """Have the readers end, once all that was written before is read."""
        for fd, thread in zip(self._pipes, self._threads, strict=True):
            os.write(fd, b"\0END\0")
            thread.join(10)
            os.close(fd)
        self._pipes, self._threads = [], []

    def text(self) -> str:
        """Return all output."""
        self.close()
        return b"".join(self._chunks).decode(errors="replace")

    @property
    def exit(self) -> dict[str, Any] | None:
        """The exit record, None while there is none."""
        return read_exit(self.files.exit)


def python(program: str, arguments: Mapping[str, Any] | None = None) -> str:
    """Return the script line that runs a Python program which lies in the sandbox, isolated."""
    words = [Interpreter.current().executable, "-I", program]
    if arguments is not None:
        words.append(json.dumps(arguments))
    return " ".join("'" + one.replace("'", "'\\''") + "'" for one in words) + "\n"
