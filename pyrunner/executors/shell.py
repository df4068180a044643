"""The shell executor: every stage is a login shell on this host (job-execution.md 5.1, 5.7)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from pyrunner.errors import BuildError, PyrunnerError
from pyrunner.executors.base import ExitKind, ExitStatus, Report, Running, StageRequest
from pyrunner.executors.hostdirs import open_host_dirs
from pyrunner.executors.process import DurableProcess
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.executors.tree import HostTree, cgroup_name
from pyrunner.executors.wrapper import WrapperPlan
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.record import JobRecord, job_marker
from pyrunner.jobdir.terminal import SCRIPT_FD, TerminalKind, TerminalPlan
from pyrunner.protocol.states import FailureReason
from pyrunner.shells import login_dump
from pyrunner.system.cgroup import JobCgroup
from pyrunner.system.proctree import MARKER
from pyrunner.system.usage import ResourceUsage
from pyrunner.trace.rawlog import RawLog

#: Shells whose stage scripts can be written.
SHELLS: Final = ("bash", "sh")


@dataclass
class ShellExecutor:
    """Runs stages of one job on this host; see :mod:`pyrunner.executors.base` for the contract."""

    control: ControlDir
    record: JobRecord
    raw_log: RawLog
    report: Report
    shell: str
    #: Seconds between SIGTERM and SIGKILL.
    grace: float
    #: Workspace stages may reuse what prepare_script's login shell set up (design 5).
    reuse_login: bool
    _groups: list[JobCgroup] = field(default_factory=list)

    def prepare(self) -> None:
        """Check the shell and open the folders; see the contract."""
        if self.shell not in SHELLS:
            raise BuildError(
                f"shell {self.shell!r} is not supported by the shell executor: use bash or sh",
                FailureReason.CONFIGURATION_ERROR,
            )
        program = "su" if self.record.user else self.shell
        if shutil.which(program) is None:
            raise PyrunnerError(f'exec: "{program}": executable file not found in $PATH')
        open_host_dirs(self.record)
        self.report.plain(f"Using Shell ({self.shell}) executor...")

    def start(self, request: StageRequest, announce: Callable[[dict[str, Any]], None]) -> Running:
        """Write the script, announce the identity, start the wrapper; see the contract."""
        files, restart = StageFiles.unclaimed(self.control, request.number, request.name)
        # Read by the shell only: it comes to its standard input, never to a command line.
        files.store_script(request.script)
        # Entering a cgroup takes about 10 ms (the kernel waits for an RCU grace period): the user's steps
        # get one, the short scripts of our own are held together by descent and marker.
        group = None if request.workspace else JobCgroup.create(cgroup_name(self.record))
        announce({"restart": restart, "cgroup": group.to_dict() if group is not None else None})
        tree = self._tree(files, group)
        process = DurableProcess(files, request.number, self.raw_log, tree, self.grace)
        process.start(self._plan(request, files, tree, group))
        return process

    def attach(self, request: StageRequest, identity: dict[str, Any]) -> Running | None:
        """Take up a stage by its identity; see the contract."""
        files = StageFiles.of(self.control, request.number, request.name, int(identity["restart"]))
        group = JobCgroup.from_dict(identity["cgroup"]) if identity.get("cgroup") else None
        tree = self._tree(files, group)
        process = DurableProcess(files, request.number, self.raw_log, tree, self.grace)
        return process if process.attach() else None

    def recall(self, identity: dict[str, Any]) -> None:
        """Know the stage's cgroup again, to stop or to remove with the job; see the contract."""
        if identity.get("cgroup"):
            self._groups.append(JobCgroup.from_dict(identity["cgroup"]))

    def failure_text(self, status: ExitStatus) -> str:
        """Word a status as Go's os/exec does (job-execution.md 5.7)."""
        if status.kind is ExitKind.EXITED:
            return f"exit status {status.code}"
        return f"signal: {status.text}" if status.kind is ExitKind.SIGNALED else status.text

    def terminal(self, script: str) -> TerminalPlan:
        """Open a login shell like those of the job's steps; the job's marker lets it end with the job."""
        shell, user = self.shell, self.record.user
        words = ["-l", "-c", f'eval "$(cat <&{SCRIPT_FD})"; exec {SCRIPT_FD}<&-; exec {shell}']
        # Not su's own -c: that makes a session without a terminal.
        argv = ["su", "-s", f"/bin/{shell}", "--", user, *words] if user else [shell, *words]
        environment = {**os.environ, MARKER: self._marker()}
        return TerminalPlan(
            TerminalKind.HOST,
            argv,
            environment=environment,
            folder=self.record.working_directory,
            script=script,
        )

    def usage_beside(self) -> dict[str, ResourceUsage]:
        """Nothing runs beside the stages of a host job."""
        return {}

    def cleanup(self) -> None:
        """Remove the cgroups that are empty; what a job left running keeps its own (R11)."""
        for group in self._groups:
            group.remove()

    def _tree(self, files: StageFiles, group: JobCgroup | None) -> HostTree:
        tree = HostTree(group, self._marker(), files.claim, list(self._groups))
        if group is not None:
            self._groups.append(group)
        return tree

    def _marker(self) -> str:
        return job_marker(self.control.path, self.record.received_at)

    def _plan(
        self, request: StageRequest, files: StageFiles, tree: HostTree, group: JobCgroup | None
    ) -> WrapperPlan:
        login = None
        if request.workspace and self.reuse_login:
            login = login_dump.load(self.control.login_environment)
        environment = dict(os.environb) if login is None else dict(login.environment)
        if group is None:
            environment[MARKER.encode()] = self._marker().encode()
        return WrapperPlan(
            files=files,
            argv=self._command(login is None),
            environment=environment,
            working_directory=os.fsencode(self.record.working_directory) if login is None else login.folder,
            umask=None if login is None else login.umask,
            limits={} if login is None else login.limits,
            give_up_at=request.give_up_at,
            enter=_enter(group),
            kill=tree.kill,
        )

    def _command(self, login: bool) -> list[str]:
        command = [self.shell, "-l"] if login else [self.shell]
        if not self.record.user:
            return command
        return ["su", "-s", f"/bin/{self.shell}", self.record.user, "-c", " ".join(command)]


def _enter(group: JobCgroup | None) -> Callable[[], None]:
    if group is None:
        return lambda: None
    return lambda: group.enter(0)
