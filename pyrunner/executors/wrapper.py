"""The wrapper: the small process on the host that keeps a stage's output open and waits for its end.

It is forked by the supervisor and outlives it. It holds the FIFOs open for reading and writing, so
that neither side ever sees end-of-file; it claims the attempt before it starts the script; it writes
how the script ended before it lets go, and waits until a supervisor has drained the output (design
R3). It ends a job whose deadline has long passed although no supervisor lives (design R5).

A fork that does not exec would keep the supervisor's lock held; the first thing the child does is to
close every descriptor but its own lock, which leaves no such copy (docs/adr/0002).
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from pyrunner.executors.stagefiles import StageFiles
from pyrunner.system.files import create_exclusive, write_json
from pyrunner.system.lock import OpenFileLock
from pyrunner.system.process import ProcessIdentity, boot_id, reset_oom_score
from pyrunner.system.proctree import set_child_subreaper
from pyrunner.system.usage import ResourceUsage

#: Pauses while waiting for ``drained``: the supervisor does not wait for the wrapper's end.
_DRAIN_POLL = (0.05, 1.0)


class WrapperWork(Protocol):
    """What a wrapper does between its claim and the exit file."""

    @property
    def files(self) -> StageFiles:
        """The stage's files."""

    def run(self, out: int, err: int) -> dict[str, Any]:
        """Run the stage's script with its output on ``out`` and ``err``; returns what the exit file holds.

        Keys: ``exit_code``, or ``signal``, ``error``, ``given_up``, ``vanished``; ``ended_at`` (monotonic)
        with ``boot_id``; ``usage``; ``leftovers``: processes may still print; others are the executor's.
        """


@dataclass(frozen=True)
class WrapperPlan:
    """A script that a process on this host runs."""

    files: StageFiles
    argv: Sequence[str]
    environment: Mapping[bytes, bytes]
    working_directory: bytes
    #: None: as the supervisor has it.
    umask: int | None
    #: ``RLIMIT_…`` to soft and hard limit, None is unlimited; what is not named stays.
    limits: Mapping[str, tuple[int | None, int | None]]
    #: Monotonic time after which the wrapper kills the stage by itself.
    give_up_at: float
    #: Called in the stage's process before it becomes the shell: enters the cgroup.
    enter: Callable[[], None]
    #: Kills everything of the stage.
    kill: Callable[[], None]
    #: Open files that the process gets by number, beside 0-2.
    descriptors: Sequence[int] = ()
    #: Its standard input; None: the script's own file.
    stdin: int | None = None

    def run(self, out: int, err: int) -> dict[str, Any]:
        """Start the process and wait for its end; see :class:`WrapperWork`."""
        return _run_script(self, out, err)


def spawn_wrapper(plan: WrapperWork, lock: OpenFileLock) -> int:
    """Fork a wrapper, hand it ``lock``, and return its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        lock.close()
        return pid
    # From here on we are the wrapper; nothing of the supervisor's may run again.
    status = 1
    try:
        _close_all_but(lock.fd)
        # A collection would copy the pages that are shared with the supervisor.
        gc.disable()
        os.setsid()
        _run(plan)
        status = 0
    except BaseException:  # noqa: BLE001 - the last place that can tell
        with contextlib.suppress(OSError), plan.files.control.supervisor_log.open("a") as log:
            log.write(f"wrapper of {plan.files.key}:\n{traceback.format_exc()}")
    finally:
        os._exit(status)


def _close_all_but(kept: int) -> None:
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX") if kept > 4096 else 65536)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


def _run(plan: WrapperWork) -> None:
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    set_child_subreaper()
    # Whoever creates the claim owns the attempt: a supervisor that found none has voided it.
    me = json.dumps(ProcessIdentity.current().to_dict()).encode()
    if not create_exclusive(plan.files.claim, me):
        return
    # Opened for reading and writing: opening never blocks, and end-of-file never comes.
    for fifo in (plan.files.stdout, plan.files.stderr):
        os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
    # The job gets descriptors of its own: one that it can read would take its output away from us.
    out = os.open(plan.files.stdout, os.O_WRONLY | os.O_CLOEXEC)
    err = os.open(plan.files.stderr, os.O_WRONLY | os.O_CLOEXEC)
    _store_exit(plan.files, plan.run(out, err))
    _await_drained(plan.files)


def _store_exit(files: StageFiles, record: dict[str, Any]) -> None:
    """Write the exit file; a full disk is waited out, for without it the job would be lost."""
    while files.claim.exists():
        try:
            # Has to survive our death, not the machine's: with that the job is gone anyway.
            write_json(files.exit, record, durable=False)
            return
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
        time.sleep(1)


def _run_script(plan: WrapperPlan, out: int, err: int) -> dict[str, Any]:
    """Run the script and return what goes into the exit file."""
    started = time.monotonic()
    try:
        process = _start(plan, out, err)
    except OSError as error:
        return {"error": f"failed to start process: {_start_error(error, plan.argv[0])}"}
    except subprocess.SubprocessError as error:
        return {"error": f"failed to start process: {error}"}
    status = _wait(plan, process.pid)
    # Popen must not wait again for a process that is reaped.
    process.returncode = 0
    ended = time.monotonic()
    record: dict[str, Any] = {
        "ended_at": ended,
        "boot_id": boot_id(),
        "usage": children_usage(ended - started).to_dict(),
        "leftovers": _has_children(),
    }
    if status is None:
        record["given_up"] = True
    elif os.WIFSIGNALED(status):
        record["signal"] = os.WTERMSIG(status)
    else:
        record["exit_code"] = os.WEXITSTATUS(status)
    return record


def children_usage(wall: float) -> ResourceUsage:
    """Return what all that was waited for has used.

    The kernel counts the memory of a process from before its exec, when it was a copy of ours: a peak no
    higher than our own says nothing about the script.
    """
    usage = ResourceUsage.from_rusage(resource.getrusage(resource.RUSAGE_CHILDREN), wall)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return usage if (usage.peak_memory or 0) > own else replace(usage, peak_memory=None)


def _start(plan: WrapperPlan, out: int, err: int) -> subprocess.Popen[bytes]:
    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(ignored, signal.SIG_DFL)
        plan.enter()
        reset_oom_score()
        _set_limits(plan.limits)

    with plan.files.script.open("rb") if plan.stdin is None else contextlib.nullcontext(plan.stdin) as script:
        return subprocess.Popen(
            list(plan.argv),
            stdin=script,
            stdout=out,
            stderr=err,
            env=dict(plan.environment),
            cwd=plan.working_directory or None,
            umask=-1 if plan.umask is None else plan.umask,
            start_new_session=True,
            pass_fds=tuple(plan.descriptors),
            preexec_fn=prepare,
        )


def _set_limits(limits: Mapping[str, tuple[int | None, int | None]]) -> None:
    for name, (soft, hard) in limits.items():
        values = tuple(resource.RLIM_INFINITY if one is None else one for one in (soft, hard))
        # A limit that was lowered for good elsewhere cannot be raised: then it stays as it is.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (values[0], values[1]))


def _start_error(error: OSError, program: str) -> str:
    """Word a failed start as the field's users know it."""
    if isinstance(error, FileNotFoundError) and error.filename in (None, program):
        return f'exec: "{program}": executable file not found in $PATH'
    place = f" {os.fsdecode(error.filename)}" if error.filename else ""
    return f"{(error.strerror or str(error)).lower()}{place}"


def _wait(plan: WrapperPlan, pid: int) -> int | None:
    """Reap until the script's own process has ended; None when it had to be given up."""
    while True:
        for reaped, status in _reap():
            if reaped == pid:
                return status
        left = plan.give_up_at - time.monotonic()
        if left <= 0:
            plan.kill()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            return None
        signal.sigtimedwait({signal.SIGCHLD}, min(left, 60.0))


def _reap() -> list[tuple[int, int]]:
    reaped: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return reaped
        if not pid:
            return reaped
        reaped.append((pid, status))


def _has_children() -> bool:
    """Tell whether the script left processes behind: as their sub-reaper they are ours now."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _await_drained(files: StageFiles) -> None:
    pause, longest = _DRAIN_POLL
    while not _may_go(files):
        signal.sigtimedwait({signal.SIGCHLD}, pause)
        _reap()
        pause = min(pause * 1.2, longest)


def _may_go(files: StageFiles) -> bool:
    # The claim goes when the job's working files are dropped: then nobody will ever drain.
    return files.drained.exists() or not files.claim.exists()


def read_exit(path: Path) -> dict[str, Any] | None:
    """Return the content of an exit file, None while there is none that is whole."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        # A power cut may leave the name without the content: then nothing is known.
        return None
    return value if isinstance(value, dict) else None
