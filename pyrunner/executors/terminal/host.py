"""A terminal on this host: a login shell of the job on a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import time
from typing import Final, Self

from pyrunner.executors.terminal.far_end import TerminalUnavailable
from pyrunner.jobdir.terminal import SCRIPT_FD, TerminalPlan
from pyrunner.system.process import reset_oom_score

#: Lines and columns; the protocol has no way to tell others.
SIZE: Final = (24, 80)
_TERM: Final = "xterm"
#: Seconds that a shell has to end after its terminal has hung up, and between two looks at it.
_PATIENCE: Final = 5.0
_LOOK: Final = 0.02
_UNUSABLE: Final = 126


class HostTerminal:
    """See :class:`pyrunner.executors.terminal.far_end.FarEnd`.

    :param pid: of the shell, the leader of a session of its own.
    :param fd: the terminal's other side.
    """

    def __init__(self, pid: int, fd: int) -> None:
        self._pid = pid
        self._fd = fd

    @classmethod
    def open(cls, plan: TerminalPlan) -> Self:
        """Start the shell; this process must have one thread only.

        :raises TerminalUnavailable: when no pseudo-terminal can be had.
        """
        script = os.memfd_create("terminal", os.MFD_CLOEXEC)
        try:
            _write_all(script, plan.script.encode("utf-8", "surrogateescape"))
            os.lseek(script, 0, os.SEEK_SET)
            pid, fd = os.forkpty()
            if pid == 0:
                _become_shell(plan, script)
        except OSError as error:
            raise TerminalUnavailable(f"no terminal can be opened: {error.strerror}") from None
        finally:
            os.close(script)
        os.set_blocking(fd, False)
        os.set_inheritable(fd, False)
        return cls(pid, fd)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._fd

    def receive(self, most: int) -> bytes | None:
        """Return output; see the contract. The kernel reports the end as an error."""
        try:
            return os.read(self._fd, most)
        except BlockingIOError:
            return None

    def send(self, data: memoryview) -> int:
        """Type; see the contract."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Hang up: the shell and its foreground job get SIGHUP, what was put aside lives on, as always."""
        os.close(self._fd)
        if not self._gone_within(_PATIENCE):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            self._gone_within(_PATIENCE)

    def _gone_within(self, seconds: float) -> bool:
        ends = time.monotonic() + seconds
        while os.waitpid(self._pid, os.WNOHANG)[0] == 0:
            if time.monotonic() >= ends:
                return False
            select.select([], [], [], _LOOK)
        return True


def _become_shell(plan: TerminalPlan, script: int) -> None:
    """Never returns: replace this freshly forked process by the shell."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        reset_oom_score()
        termios.tcsetwinsize(0, SIZE)
        # All others are closed by exec.
        os.dup2(script, SCRIPT_FD)
        os.set_inheritable(SCRIPT_FD, True)
        if plan.folder:
            os.chdir(plan.folder)
        os.execvpe(plan.argv[0], plan.argv, {**plan.environment, "TERM": _TERM})  # noqa: S606 - it is a shell
    except BaseException as error:  # noqa: BLE001 - nothing of the parent's may run in the child
        with contextlib.suppress(OSError):
            os.write(2, f"{plan.argv[0] if plan.argv else 'shell'}: {error}\r\n".encode())
    finally:
        os._exit(_UNUSABLE)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
