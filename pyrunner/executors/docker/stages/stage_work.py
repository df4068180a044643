"""What a wrapper does for a stage in a container: starts it if need be, waits for its end (design R3)."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.attachment import Attachment
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.engine.lost_output import LostOutput
from pyrunner.executors.docker.engine.waiting import ContainerEnd, ContainerWait
from pyrunner.executors.docker.stages.stage_container import is_gone
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.system.process import boot_id
from pyrunner.system.usage import ResourceUsage

_INT: Final = struct.Struct("i")


@dataclass(frozen=True)
class ContainerWork:
    """One stage in a container that runs nothing else."""

    files: StageFiles
    endpoint: Endpoint
    container: str
    #: Monotonic time after which the container is killed.
    give_up_at: float
    #: FIFO that the started container waits at; None: it has no box.
    go: Path | None
    #: The container is started here, attached: its entrypoint may print, or read the script. Otherwise it
    #: runs already, and waits.
    attached: bool
    #: See :func:`pyrunner.executors.docker.container.command_line.stage_command`.
    barrier: bytes = b""

    def run(self, out: int, err: int) -> dict[str, Any]:
        """Let the stage run to its end; see :class:`pyrunner.executors.wrapper.WrapperWork`."""
        started = time.monotonic()
        # Opened for reading as well: neither side of the FIFO waits for the other to open it.
        go = os.open(self.go, os.O_RDWR | os.O_CLOEXEC) if self.go is not None else -1
        attachment = None
        if self.attached:
            try:
                attachment = self._attach_and_start(out, err)
            except EngineError as error:
                return {"error": str(error), "missing": is_gone(error)}
            attachment.await_barrier(self.give_up_at)
        if go >= 0:
            os.write(go, b"\n")
        end = ContainerWait(self.endpoint, self.container, self.give_up_at).end()
        if end.vanished and go >= 0 and _unread(go):
            # It was gone before it could begin: nobody has taken the word.
            return {
                "error": f"Error response from daemon: No such container: {self.container}",
                "missing": True,
            }
        if end.given_up:
            self._kill()
        if attachment is not None:
            attachment.finish()
        record = _record(end, time.monotonic() - started)
        if attachment is not None and not attachment.complete:
            record["output_lost"] = True
        return record

    def _attach_and_start(self, out: int, err: int) -> Attachment:
        engine = Engine(self.endpoint)
        # With a box nothing but an entrypoint's lines come this way.
        lost = LostOutput.about_to_start(engine, self.container) if self.go is None else None
        attachment = Attachment.open(engine, self.container, out, err, self.barrier, lost)
        engine.call(lambda api: api.start(self.container))
        attachment.begin(self.files.script.read_bytes())
        return attachment

    def _kill(self) -> None:
        engine = Engine(self.endpoint)
        try:
            engine.call(lambda api: api.kill(self.container))
        except EngineError as error:
            # Gone by itself, or the engine is: what is left is found by its label.
            with self.files.control.supervisor_log.open("a") as log:
                log.write(f"{self.container} cannot be killed: {error}\n")


def _unread(fifo: int) -> bool:
    return bool(_INT.unpack(fcntl.ioctl(fifo, termios.FIONREAD, _INT.pack(0)))[0])


def _record(end: ContainerEnd, seconds: float) -> dict[str, Any]:
    record: dict[str, Any] = {
        "ended_at": time.monotonic(),
        "boot_id": boot_id(),
        "usage": ResourceUsage(wall=seconds).to_dict(),
        "out_of_memory": end.out_of_memory,
    }
    if end.given_up:
        record["given_up"] = True
    elif end.vanished:
        record["vanished"] = end.vanished
    else:
        record["exit_code"] = end.exit_code
    return record
