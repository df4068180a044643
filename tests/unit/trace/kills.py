"""A job whose supervisor is killed between, before or within its system calls.

The walk stands for the supervisor: it takes the steps of a job in order, and is begun anew on the same
files after each kill. Only the system's writing calls are replaced, and only to end the process's part
there: the files are then as a SIGKILL at this place leaves them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from pyrunner.jobdir.control import ControlDir
from pyrunner.trace.rawlog import RawLog
from pyrunner.trace.render import TraceOptions, TraceRenderer

WRITING = ("pwrite", "splice", "ftruncate")


class Killed(BaseException):
    """The end of a supervisor."""


@dataclass(frozen=True)
class Step:
    """One thing a job does; ``data`` is written by the runner (message) or by the job (output)."""

    kind: str
    data: bytes = b""
    stream: int = 0
    stage: int = 0


@dataclass
class Walk:
    """The life of one job over any number of supervisors."""

    control: ControlDir
    steps: list[Step]
    options: TraceOptions
    #: What outlives a supervisor: its journal, what the job has written already, and the pipes.
    done: int = 0
    written: int = 0
    pipes: dict[int, tuple[int, int]] = field(default_factory=dict)

    def supervise(self) -> None:
        """Be a supervisor, from wherever the last one was killed."""
        raw = RawLog.open(self.control)
        try:
            renderer = TraceRenderer(self.control, self.options)
            try:
                self._walk(raw, renderer)
            finally:
                renderer.close()
        finally:
            raw.close()

    def _walk(self, raw: RawLog, renderer: TraceRenderer) -> None:
        before = raw.message_count
        messages = 0
        for number, step in enumerate(self.steps):
            now = 1000.0 + number
            if step.kind in ("message", "close_messages"):
                messages += 1
                if messages > before and step.kind == "message":
                    raw.append_message(step.data, now)
                elif messages > before:
                    raw.close_messages(now)
            elif number >= self.done:
                self._take(raw, step, number, now)
                self.done = number + 1
            renderer.advance()
            renderer.checkpoint()
        raw.finish(2000.0)
        renderer.finish()

    def _take(self, raw: RawLog, step: Step, number: int, now: float) -> None:
        if step.kind == "close_stage":
            raw.close_stage(step.stage, now)
            return
        if step.stream not in self.pipes:
            self.pipes[step.stream] = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        reader, writer = self.pipes[step.stream]
        if number >= self.written:
            os.write(writer, step.data)
            self.written = number + 1
        while raw.splice(reader, step.stream, step.stage, now):
            pass

    def close(self) -> None:
        """Release the pipes."""
        for pipe in self.pipes.values():
            for fd in pipe:
                os.close(fd)


def kill_at(patch: pytest.MonkeyPatch, place: int, how: str) -> Callable[[], bool]:
    """Kill the next supervisor at its ``place``-th writing call.

    :param how: ``before`` the call, ``after`` it, or ``within`` (half of a pwrite is done).
    :returns: tells whether the kill has happened.
    """
    calls = 0

    def replaced(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls != place:
                return real(*arguments, **options)
            if how == "after":
                real(*arguments, **options)
            elif how == "within" and real is os_pwrite:
                fd, data, offset = arguments
                real(fd, bytes(data)[: len(data) // 2], offset)
            raise Killed

        return call

    os_pwrite = os.pwrite
    for name in WRITING:
        patch.setattr(os, name, replaced(getattr(os, name)))
    return lambda: calls >= place
