"""A durable process: started once, attached to at will, its output never in our memory only (design R3)."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import select
import signal
import struct
import termios
import time
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pyrunner.executors.base import (
    ExitKind,
    ExitStatus,
    SideOutput,
    StageEnd,
    StageLimits,
    Stop,
    StopKind,
    Watch,
)
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.executors.wrapper import WrapperWork, read_exit, spawn_wrapper
from pyrunner.system.files import create_exclusive
from pyrunner.system.lock import OpenFileLock, is_held
from pyrunner.system.process import boot_id
from pyrunner.system.usage import ResourceUsage
from pyrunner.trace.rawlog import STDERR, STDOUT, RawLog

#: How long the output of processes that the script left behind is still collected, seconds.
LEFTOVER_OUTPUT: Final = 1.0
#: Splices from one pipe before the other, and the orders, get a turn.
_SPLICES_PER_TURN: Final = 16
#: Seconds after SIGKILL until the wrapper is ended too, and as many until the stage is given up (5.7).
FORCE_KILL: Final = 10.0
_INT: Final = struct.Struct("i")


class ProcessTree(Protocol):
    """Everything that a stage, or the job so far, has started."""

    def terminate(self) -> None:
        """Ask all of it to end (SIGTERM)."""

    def kill(self) -> None:
        """End all of it (SIGKILL), also what was born meanwhile."""

    def abandon(self) -> None:
        """End the wrapper of the stage, which does not tell of its end."""

    def alive(self) -> bool:
        """Tell whether any of it lives."""

    def sample(self) -> None:
        """Take note of what will not be known at the end; called often, looks seldom."""

    def usage(self) -> ResourceUsage | None:
        """Resource use of this stage so far, None where nothing measures it."""


@dataclass
class DurableProcess:
    """A stage attempt that runs under a wrapper."""

    files: StageFiles
    number: int
    raw_log: RawLog
    tree: ProcessTree
    #: Seconds between SIGTERM and SIGKILL.
    grace: float
    #: Moved into the raw log as well while the stage runs.
    beside: SideOutput | None = None
    _out: int = -1
    _err: int = -1

    def start(self, plan: WrapperWork) -> None:
        """Start the wrapper; its script begins as soon as it has claimed the attempt."""
        self.files.make_fifos()
        self._open_pipes()
        lock = OpenFileLock.take(self.files.lock)
        if lock is None:
            raise RuntimeError(f"{self.files.lock} is held by another wrapper")
        spawn_wrapper(plan, lock)

    def attach(self) -> bool:
        """Take up what a former supervisor started; False, and the attempt void, when it never began."""
        if create_exclusive(self.files.claim, b"{}"):
            return False
        self._open_pipes()
        return True

    def _open_pipes(self) -> None:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        with contextlib.suppress(FileNotFoundError):
            self._out = os.open(self.files.stdout, flags)
            self._err = os.open(self.files.stderr, flags)

    def wait(self, watch: Watch, limits: StageLimits) -> StageEnd:
        """Collect the output until the stage has ended; stop it when the watch says so."""
        stopper = _Stopper(self.tree, self.grace)
        poller = select.poll()
        for fd in (watch.fd, self._out, self._err, *(self.beside.fds if self.beside else ())):
            if fd >= 0:
                poller.register(fd, select.POLLIN)
        try:
            record = self._collect(poller, watch, limits, stopper)
            usage = self._usage(record)
            if stopper.stop is not None or record is None:
                self.tree.kill()
        except Exception:
            # The disk is full, or worse: nothing may run on that nobody will wait for.
            self.tree.kill()
            raise
        finally:
            self._close()
        create_exclusive(self.files.drained, b"")
        return StageEnd(_status(record), stopper.stop, usage)

    def _collect(
        self, poller: select.poll, watch: Watch, limits: StageLimits, stopper: _Stopper
    ) -> dict[str, Any] | None:
        """Move output until the exit file is there; None when the wrapper has vanished."""
        timeout = 0.0
        while True:
            poller.poll(timeout * 1000)
            busy = self._drain_turn()
            busy = (self.beside is not None and self.beside.drain()) or busy
            self.tree.sample()
            stop = watch.check(limits)
            record = read_exit(self.files.exit)
            stopper.advance(None if _ended_in_time(record, stop, limits) else stop)
            if stopper.gave_up:
                return None
            if record is None and not is_held(self.files.lock):
                # Looked at again: it may have written its last word between the two looks.
                record = read_exit(self.files.exit)
                if record is None:
                    self._drain_all()
                    return None
            if record is not None and not (stopper.stop is not None and stopper.waits()):
                self._drain_all()
                if record.get("leftovers") and stopper.stop is None:
                    self._drain_leftovers(record, watch, limits)
                return record
            timeout = 0.0 if busy else min(watch.timeout(limits), stopper.timeout())

    def _drain_turn(self) -> bool:
        """Move some output; True when there may be more."""
        more = False
        for fd, stream in ((self._out, STDOUT), (self._err, STDERR)):
            if fd < 0 or not _held(fd):
                continue
            for _ in range(_SPLICES_PER_TURN):
                if not self.raw_log.splice(fd, stream, self.number, time.time()):
                    break
            else:
                more = True
        return more

    def _drain_all(self) -> None:
        """Take what the pipes hold now, hence all that was written before this moment.

        Not until they are empty: what the script left behind may print for ever.
        """
        for fd, stream in ((self._out, STDOUT), (self._err, STDERR)):
            left = _held(fd) if fd >= 0 else 0
            while left > 0 and (moved := self.raw_log.splice(fd, stream, self.number, time.time())):
                left -= moved

    def _drain_leftovers(self, record: dict[str, Any], watch: Watch, limits: StageLimits) -> None:
        """Collect for at most a second what processes that the script left behind still print."""
        poller = select.poll()
        for fd in (self._out, self._err):
            if fd >= 0:
                poller.register(fd, select.POLLIN)
        ends = min(time.monotonic(), float(record.get("ended_at", 0.0))) + LEFTOVER_OUTPUT
        while (left := ends - time.monotonic()) > 0 and self.tree.alive():
            poller.poll(min(left, 0.1) * 1000)
            self._drain_turn()
            if watch.check(limits) is not None:
                break
        # One turn more, not all: what is left behind may print for ever.
        self._drain_turn()

    def _usage(self, record: dict[str, Any] | None) -> ResourceUsage:
        """Prefer the cgroup's figures, which hold what was never waited for, to the wrapper's."""
        own = ResourceUsage.from_dict((record or {}).get("usage") or {})
        measured = self.tree.usage()
        return own if measured is None else measured.with_wall(own.wall).filled_from(own)

    def _close(self) -> None:
        for fd in (self._out, self._err):
            if fd >= 0:
                os.close(fd)
        self._out = self._err = -1


def _held(fd: int) -> int:
    """Return how many bytes are in a pipe."""
    return int(_INT.unpack(fcntl.ioctl(fd, termios.FIONREAD, _INT.pack(0)))[0])


def _ended_in_time(record: dict[str, Any] | None, stop: Stop | None, limits: StageLimits) -> bool:
    """Tell whether a deadline passed only after the script's end, which nobody was there to see."""
    if record is None or stop is None or stop.kind is not StopKind.TIMEOUT:
        return False
    if record.get("boot_id") != boot_id():
        return True  # it ended before the machine went down, and the deadline had not passed then
    return float(record.get("ended_at", math.inf)) < limits.deadlines.get(stop.text, 0.0)


def _status(record: dict[str, Any] | None) -> ExitStatus:
    if record is None:
        return ExitStatus(ExitKind.VANISHED, text="the stage's process vanished without an exit status")
    if "error" in record:
        return ExitStatus(ExitKind.NOT_STARTED, text=str(record["error"]))
    if "vanished" in record:
        return ExitStatus(ExitKind.VANISHED, text=str(record["vanished"]))
    if record.get("given_up"):
        return ExitStatus(ExitKind.GIVEN_UP, text="its deadline passed while no supervisor lived")
    if "signal" in record:
        number = int(record["signal"])
        return ExitStatus(ExitKind.SIGNALED, number, signal_text(number))
    return ExitStatus(ExitKind.EXITED, int(record.get("exit_code", -1)))


def signal_text(number: int) -> str:
    """Return the name of a signal as Go prints it: ``killed``, ``terminated``."""
    return _GO_SIGNAL_NAMES.get(number) or f"signal {number}"


_GO_SIGNAL_NAMES: Final[dict[int, str]] = {
    signal.SIGHUP: "hangup",
    signal.SIGINT: "interrupt",
    signal.SIGQUIT: "quit",
    signal.SIGILL: "illegal instruction",
    signal.SIGTRAP: "trace/breakpoint trap",
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGKILL: "killed",
    signal.SIGUSR1: "user defined signal 1",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGUSR2: "user defined signal 2",
    signal.SIGPIPE: "broken pipe",
    signal.SIGALRM: "alarm clock",
    signal.SIGTERM: "terminated",
}


class _Stopper:
    """SIGTERM, the grace time, SIGKILL: at most once each."""

    def __init__(self, tree: ProcessTree, grace: float) -> None:
        self.tree = tree
        self.grace = grace
        self.stop: Stop | None = None
        self._kill_at = 0.0
        self._kills = 0
        self._first_kill = math.inf
        self._abandoned = False

    def advance(self, stop: Stop | None) -> None:
        """Go on with the ladder; a more urgent stop replaces the reason of a running one."""
        now = time.monotonic()
        if stop is not None and self.stop is None:
            self.stop = stop
            self._kill_at = now + self.grace
            self.tree.terminate()
        elif stop is not None and self.stop is not None and _urgency(stop) < _urgency(self.stop):
            self.stop = stop
        if self.stop is not None and now >= self._kill_at:
            self._first_kill = min(self._first_kill, now)
            self.tree.kill()
            self._kills += 1
            self._kill_at = now + min(0.1 * 2**self._kills, 5.0)
        if now >= self._first_kill + FORCE_KILL and not self._abandoned:
            # Stopped by a signal of the job, or waiting for a script that waits in the kernel.
            self._abandoned = True
            self.tree.abandon()

    @property
    def gave_up(self) -> bool:
        """Tell whether even the wrapper has outlived its killing."""
        return time.monotonic() >= self._first_kill + 2 * FORCE_KILL

    def waits(self) -> bool:
        """Tell whether what was asked to end still has grace time, and needs it."""
        return self._kills == 0 and self.tree.alive()

    def timeout(self) -> float:
        """Seconds until :meth:`advance` has something to do, or the tree is worth a look."""
        return 3600.0 if self.stop is None else max(0.0, min(0.1, self._kill_at - time.monotonic()))


def _urgency(stop: Stop) -> int:
    return list(StopKind).index(stop.kind)
