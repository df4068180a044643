"""Which process it is, whether it lives, and signals that can hit no other (design R3, R11).

A process id alone names nothing: it is given again. Id and start time together name one process of
one boot; a journal also keeps :func:`boot_id`, because ids and start times begin anew with a boot.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import JobDirError

_OOM_SCORE: Final = "/proc/self/oom_score_adj"
#: Between two looks at a process that no pidfd is to be had for, seconds.
_LOOK_EVERY: Final = 0.05


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """What /proc/<pid>/stat says of a process (proc_pid_stat(5))."""

    pid: int
    #: One letter; ``Z`` and ``X`` are dead.
    state: str
    parent: int
    #: Clock ticks since boot.
    start_time: int

    @property
    def dead(self) -> bool:
        """It has ended; only its parent has not taken note yet."""
        return self.state in "ZXx"


def read_stat(pid: int) -> ProcessStat | None:
    """Return the state of ``pid``; None when there is no such process, or it is hidden from us."""
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(fd, 4096)
    except ProcessLookupError:
        return None
    finally:
        os.close(fd)
    # The name, in parentheses, is the process's own choice: spaces, parentheses, newlines.
    fields = text[text.rfind(b")") + 2 :].split()
    return ProcessStat(pid, fields[0].decode(), int(fields[1]), int(fields[19]))


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process of this boot.

    :raises ValueError: for an id below 1: to the kernel those mean groups, or everybody.
    """

    pid: int
    #: Field 22 of /proc/<pid>/stat, in clock ticks since boot.
    start_time: int

    def __post_init__(self) -> None:
        if self.pid < 1:
            raise ValueError(f"not a process id: {self.pid}")

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """Return who ``pid`` is now, zombies included; None when nobody is."""
        stat = read_stat(pid) if pid > 0 else None
        return cls(pid, stat.start_time) if stat else None

    @classmethod
    def current(cls) -> ProcessIdentity:
        """Return this process."""
        found = cls.of(os.getpid())
        if found is None:
            raise JobDirError("/proc does not show this process; mount /proc of this pid namespace")
        return found

    @classmethod
    def from_dict(cls, value: object) -> ProcessIdentity:
        """Read what :meth:`to_dict` returned.

        :raises JobDirError: when it is something else.
        """
        pid = value.get("pid") if isinstance(value, dict) else None
        start_time = value.get("start_time") if isinstance(value, dict) else None
        if type(pid) is not int or type(start_time) is not int or pid < 1:
            raise JobDirError(f"not a process identity: {value!r}")
        return cls(pid, start_time)

    def to_dict(self) -> dict[str, Any]:
        """Return this identity for a journal."""
        return {"pid": self.pid, "start_time": self.start_time}

    def alive(self) -> bool:
        """Tell whether exactly this process still runs; a zombie does not."""
        stat = read_stat(self.pid)
        return stat is not None and stat.start_time == self.start_time and not stat.dead

    def open_pidfd(self) -> int | None:
        """Return a descriptor of exactly this process, readable when it ends; the caller closes it.

        None when the process is gone, or the kernel or a seccomp filter gives none; :meth:`alive`
        tells which.
        """
        try:
            fd = os.pidfd_open(self.pid)
        except OSError:
            return None
        # Asked after opening: what the descriptor holds cannot be replaced any more.
        if self.alive():
            return fd
        os.close(fd)
        return None

    def send(self, number: int) -> bool:
        """Send a signal to exactly this process; False when it is gone, or not ours to signal (sudo).

        Whoever stops a tree goes on with the others; what cannot be stopped is still :meth:`alive`.
        Without pidfd there is a window of microseconds between the check and the signal.
        """
        fd = self.open_pidfd()
        try:
            if fd is not None:
                signal.pidfd_send_signal(fd, number)
            elif self.alive():
                os.kill(self.pid, number)
            else:
                return False
        except (ProcessLookupError, PermissionError):
            return False
        finally:
            if fd is not None:
                os.close(fd)
        return True

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for its end, whoever its parent is; tell whether it ended."""
        fd = self.open_pidfd()
        if fd is None:
            return self._look_until_gone(timeout)
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            return bool(poll.poll(max(0.0, timeout) * 1000))
        finally:
            os.close(fd)

    def _look_until_gone(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while self.alive():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, _LOOK_EVERY))
        return True


def await_exit(processes: Iterable[ProcessIdentity], timeout: float) -> list[ProcessIdentity]:
    """Wait up to ``timeout`` seconds in all until every one of ``processes`` has ended; return the rest.

    One after the other: the last end is awaited either way, and a fork bomb cannot use up our
    descriptors.
    """
    deadline = time.monotonic() + timeout
    return [one for one in processes if not one.wait(max(0.0, deadline - time.monotonic()))]


def boot_id() -> str:
    """Return what names this boot of the machine; ``unknown`` where the kernel does not tell.

    With ``unknown``, start times alone have to tell a process from one before the reboot.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def protect_from_oom(score: int = -500) -> bool:
    """Let the kernel take others first when memory runs out (design R7).

    Not -1000: a process of ours that leaks must remain within reach of the kernel.

    :returns: False when this process may not (it takes CAP_SYS_RESOURCE).
    """
    return _write_oom_score(score)


def reset_oom_score() -> bool:
    """End the protection in a stage's process, right after its fork (design R7).

    A score that the administrator has raised above 0 stays. False when it cannot be written.
    """
    try:
        fd = os.open(_OOM_SCORE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        current = int(os.read(fd, 16))
    finally:
        os.close(fd)
    return current >= 0 or _write_oom_score(0)


def _write_oom_score(score: int) -> bool:
    try:
        fd = os.open(_OOM_SCORE, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, str(score).encode())
    except PermissionError:
        return False
    finally:
        os.close(fd)
    return True
