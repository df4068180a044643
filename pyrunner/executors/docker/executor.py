"""The docker executor: the user's stages in one container, our own beside it (docker-executor.md)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from pyrunner.errors import PyrunnerError
from pyrunner.executors.base import ExitKind, ExitStatus, Report, Running, StageRequest, StageStopped
from pyrunner.executors.docker.container.command_line import terminal_command
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.set_up import JobSetUp
from pyrunner.executors.docker.stages.box import Box
from pyrunner.executors.docker.stages.container_stage import ContainerStage
from pyrunner.executors.docker.stages.container_tree import ContainerTree
from pyrunner.executors.docker.stages.section_attempts import SectionAttempts
from pyrunner.executors.docker.stages.stage_container import StageContainer
from pyrunner.executors.docker.stages.stage_work import ContainerWork
from pyrunner.executors.docker.stages.starter import StarterLock
from pyrunner.executors.docker.workspaces.workspace import Workspace
from pyrunner.executors.process import DurableProcess
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.executors.wrapper import read_exit
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.terminal import TerminalKind, TerminalPlan
from pyrunner.system.usage import ResourceUsage
from pyrunner.trace.rawlog import RawLog

#: Seconds between SIGTERM and SIGKILL: what gitlab-runner gives the processes inside, then the container.
GRACE: Final = 20.0
#: Stage with which the build container begins to start: it has time until it is needed.
_EARLY: Final = "prepare_script"


@dataclass
class DockerExecutor:
    """Runs the stages of one job; see :mod:`pyrunner.executors.base` for the contract."""

    job: DockerJob
    control: ControlDir
    raw_log: RawLog
    report: Report
    engine: Engine
    set_up: JobSetUp
    workspace: Workspace
    _build: StageContainer | None = field(init=False, default=None)

    def prepare(self) -> None:
        """Connect, and make all that the job's containers need; see the contract."""
        self.set_up.prepare()
        self.workspace.prepare()

    def start(self, request: StageRequest, announce: Callable[[dict[str, Any]], None]) -> Running:
        """Start a stage where it belongs; see the contract."""
        if request.workspace:
            if request.name == _EARLY:
                self._start_early()
            return self.workspace.start(request, announce)

        def begin(attempts: SectionAttempts) -> Running:
            return self._start_in_container(request, announce, attempts)

        return SectionAttempts(self.report, request.name, self.job.section_attempts, begin).start()

    def attach(self, request: StageRequest, identity: dict[str, Any]) -> Running | None:
        """Take up a stage by its identity; see the contract."""
        if request.workspace:
            return self.workspace.attach(request, identity)
        files = StageFiles.of(self.control, request.number, request.name, int(identity["restart"]))
        if (read_exit(files.exit) or {}).get("missing"):
            return None  # its container was gone before its script could begin
        stage = self._stage(request, files, identity)
        return stage if stage.process.attach() else None

    def recall(self, identity: dict[str, Any]) -> None:
        """Nothing: containers are found again by their names."""

    def failure_text(self, status: ExitStatus) -> str:
        """Word a status as gitlab-runner does."""
        return f"exit code {status.code}" if status.kind is ExitKind.EXITED else status.text

    def terminal(self, script: str) -> TerminalPlan:
        """Open a shell in the build container, which has the job's variables (docker-executor.md 11.5)."""
        return TerminalPlan(
            TerminalKind.CONTAINER,
            terminal_command(),
            container=self.job.name,
            marker=self.job.marker,
            endpoint=asdict(self.engine.pinned),
        )

    def usage_beside(self) -> dict[str, ResourceUsage]:
        """Return what the services have used; see the contract."""
        services = self.set_up.services
        if services is None or not services.containers() or self.set_up.service_group is None:
            return {}
        return {"services": self.set_up.service_group.usage()}

    def cleanup(self) -> None:
        """Remove all that the job has made on the engine; see the contract."""
        if not self.engine.has_answered:
            return
        self.workspace.cleanup()
        starting = StarterLock.of(Box.of(self.control, "build").folder)
        if starting.busy:
            # What is still being made would outlive the job.
            with contextlib.suppress(StageStopped):
                in_background(starting.wait, self.report)
        self.set_up.remove()
        for group in (self.set_up.build_group, self.set_up.service_group):
            if group is not None:
                group.remove()
        self.engine.close()

    def _start_in_container(
        self,
        request: StageRequest,
        announce: Callable[[dict[str, Any]], None],
        attempts: SectionAttempts,
    ) -> Running:
        self.set_up.announce_image(request.number, attempts.failed)
        container = self._container()
        attached = self._attached
        files, restart = StageFiles.unclaimed(self.control, request.number, request.name)
        files.store_script(request.script)
        self.set_up.hand_over(self.workspace, container.known)
        identity = container.create() if attached else container.start()
        if container.box is not None:
            # Users of an image are nobody that this host knows; the folders above keep all others out.
            os.chmod(files.script, 0o444)
            files.make_fifos()
            if attached:
                container.box.renew_go()
            container.box.load(files)
        before = ResourceUsage()
        group = self.set_up.build_group
        if group is not None:
            group.forget_peak()
            before = group.usage()
        known = {"restart": restart, "container": identity, "before": before.to_dict()}
        announce(known)
        stage = self._stage(request, files, known, attempts)
        stage.process.start(
            ContainerWork(
                files=files,
                endpoint=self.engine.pinned,
                container=identity,
                give_up_at=request.give_up_at,
                go=container.box.go if container.box is not None else None,
                attached=attached,
                barrier=self.set_up.barrier,
            )
        )
        container.told()
        return stage

    def _stage(
        self,
        request: StageRequest,
        files: StageFiles,
        identity: dict[str, Any],
        attempts: SectionAttempts | None = None,
    ) -> ContainerStage:
        tree = ContainerTree(
            engine=self.engine,
            container=str(identity["container"]),
            claim=files.claim,
            native_stop=self.job.flag("FF_USE_NATIVE_CONTAINER_STOP"),
            group=self.set_up.build_group,
            before=ResourceUsage.from_dict(identity["before"]),
        )
        process = DurableProcess(files, request.number, self.raw_log, tree, GRACE, self.set_up.side_output)
        container = self._container()
        return ContainerStage(
            process, tree, self.report, self.set_up.memory_limit, container.discard, attempts
        )

    def _start_early(self) -> None:
        """Let the build container start meanwhile; its failure is told when it is needed."""
        if self._attached:
            return
        try:
            self._container().begin()
        except PyrunnerError:
            # Tried again by its own stage, whose section the error belongs into.
            self._build = None

    def _container(self) -> StageContainer:
        if self._build is None:
            self._build = StageContainer(
                engine=self.engine,
                report=self.report,
                name=self.job.name,
                marker=self.job.marker,
                box=Box.of(self.control, "build") if self.engine.endpoint.local else None,
                body=self.set_up.build_body,
            )
            if self._build.box is not None:
                self._build.box.make()
        return self._build

    @property
    def _attached(self) -> bool:
        """The container's own streams matter: it is elsewhere, or its entrypoint uses them."""
        return not self.engine.endpoint.local or self.set_up.has_entrypoint
