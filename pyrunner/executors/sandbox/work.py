"""A stage in the sandbox, as the work of a wrapper: what is around it, and an end that leaves nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import PyrunnerError
from pyrunner.executors.sandbox.accounts import generated_files
from pyrunner.executors.sandbox.bridges import Neighbours
from pyrunner.executors.sandbox.command import Descriptors, HiddenInProc, sandbox_command
from pyrunner.executors.sandbox.host_view import HostView
from pyrunner.executors.sandbox.keeper import SandboxNetwork
from pyrunner.executors.sandbox.namespaces import enter_network
from pyrunner.executors.sandbox.plan import PATH, SandboxPlan
from pyrunner.executors.sandbox.resolver import resolv_conf
from pyrunner.executors.sandbox.seccomp import seccomp_program
from pyrunner.executors.sandbox.tools import Tool
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.executors.wrapper import WrapperPlan, children_usage
from pyrunner.system.process import read_stat
from pyrunner.system.proctree import MARKER

#: Nobody can change the file any more: a reader may open it again by /proc/self/fd, with any mode.
_SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@dataclass(frozen=True)
class SandboxWork:
    """Runs a stage's script in the sandbox; a :class:`~pyrunner.executors.wrapper.WrapperWork`.

    The script, with whatever secrets it holds, is a sealed file in memory on the shell's standard input.
    """

    files: StageFiles
    plan: SandboxPlan
    #: See :mod:`pyrunner.system.proctree`.
    marker: str
    #: Monotonic time after which the wrapper kills the stage by itself.
    give_up_at: float
    #: Called in the stage's process first: enters a cgroup.
    enter: Callable[[], None]
    #: Kills everything of the stage.
    kill: Callable[[], None]
    #: What can carry its network, best first; see :func:`.tools.installed`.
    tools: Sequence[Tool] = ()
    neighbours: Neighbours = field(default_factory=Neighbours)
    #: Of each process; see :class:`~pyrunner.executors.wrapper.WrapperPlan`.
    limits: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)

    def run(self, out: int, err: int) -> dict[str, Any]:
        """Run the stage; what it left running has ended when this returns."""
        started = time.monotonic()
        try:
            self.plan.check()
            with contextlib.ExitStack() as stack:
                return self._run(stack, out, err, started)
        except PyrunnerError as error:
            return {"error": str(error)}
        except OSError as error:
            return {"error": f"failed to start the workspace sandbox: {error}"}

    def _run(self, stack: contextlib.ExitStack, out: int, err: int, started: float) -> dict[str, Any]:
        program = seccomp_program(os.uname().machine)
        if program is None:
            return {"error": f"the workspace sandbox has no system call filter for {os.uname().machine}"}
        network: SandboxNetwork | None = None
        if self.plan.network:
            network = SandboxNetwork.start(self.tools, self.neighbours)
            stack.callback(network.close)
        host = HostView.of()
        contents = {path: Path(path).read_bytes() for path in host.copied}
        contents |= generated_files(resolv_conf() if network is not None else "")
        files = {path: stack.enter_context(_in_memory(content)) for path, content in contents.items()}
        seccomp = stack.enter_context(_in_memory(program))
        descriptors = Descriptors(seccomp, -1 if network is None else network.alive, files)
        command = sandbox_command(self.plan, descriptors, host, self.marker, HiddenInProc.of())
        script = stack.enter_context(_in_memory(self.files.script.read_bytes()))
        record = self._wrapper_plan(command, descriptors, script, network).run(out, err)
        return self._settled(record, network, started)

    def _wrapper_plan(
        self, command: list[str], descriptors: Descriptors, script: int, network: SandboxNetwork | None
    ) -> WrapperPlan:
        def enter() -> None:
            self.enter()
            if network is not None:
                enter_network(network.namespace)

        return WrapperPlan(
            files=self.files,
            argv=command,
            # Of bubblewrap itself; the stage's own is on its command line.
            environment={b"PATH": PATH.encode(), MARKER.encode(): os.fsencode(self.marker)},
            working_directory=b"/",
            umask=self.plan.umask,
            limits=self.limits,
            give_up_at=self.give_up_at,
            enter=enter,
            kill=self.kill,
            descriptors=descriptors.all,
            stdin=script,
        )

    def _settled(
        self, record: dict[str, Any], network: SandboxNetwork | None, started: float
    ) -> dict[str, Any]:
        """End what the stage left running: the sandbox goes with its script, as a container does.

        bubblewrap tells the script's end while its first process, by then our child, still waits for others.
        """
        if "error" in record:
            return record
        keeper = network.keeper if network is not None else -1
        for pid in _children():
            if pid == keeper:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        wall = float(record.get("ended_at", time.monotonic())) - started
        return {**record, "leftovers": False, "usage": children_usage(wall).to_dict()}


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """Give ``content`` as an open file that cannot be changed."""
    fd = os.memfd_create("pyrunner", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        yield fd
    finally:
        os.close(fd)


def _children() -> list[int]:
    """Return our children, as long as there are any: each of them ours to reap, so no id is another's."""
    own = os.getpid()
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{own}/children").read_text().split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        stats = (read_stat(int(one)) for one in os.listdir("/proc") if one.isdigit())
        return [stat.pid for stat in stats if stat is not None and stat.parent == own]
