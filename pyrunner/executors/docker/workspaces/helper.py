"""Workspace stages in a helper container: one a job, each stage by ``exec`` (design R8)."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from pyrunner.errors import EngineError, PyrunnerError
from pyrunner.executors.base import (
    Report,
    Running,
    SideOutput,
    StageEnd,
    StageLimits,
    StageRequest,
    StageStopped,
    Watch,
)
from pyrunner.executors.docker.container.command_line import exec_command
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.stages.box import Box
from pyrunner.executors.docker.stages.container_tree import ContainerTree
from pyrunner.executors.docker.stages.exec_work import ExecWork
from pyrunner.executors.docker.stages.stage_container import StageContainer
from pyrunner.executors.docker.storage.volume_plan import CACHE
from pyrunner.executors.process import DurableProcess
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.executors.traits import ARCHIVES_DIR
from pyrunner.jobdir.control import ControlDir
from pyrunner.trace.rawlog import RawLog

logger: Final = logging.getLogger(__name__)

#: As long as a stage of ours may take to end by itself.
GRACE: Final = 20.0
#: The stage before all others.
_FIRST: Final = "prepare_script"
#: Lives on until it is removed, and ends at once when it is asked to.
KEEP_ALIVE: Final = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"]


@dataclass
class HelperWorkspace:
    """See :class:`pyrunner.executors.docker.workspaces.workspace.Workspace`.

    :param body: returns the request that creates the container, and its platform.
    """

    job: DockerJob
    control: ControlDir
    raw_log: RawLog
    report: Report
    engine: Engine
    #: Tells what is moved into the raw log beside the stages.
    side_output: Callable[[], SideOutput | None]
    #: Writes the lines about the image, before the first stage.
    announce_image: Callable[[], None]
    body: Callable[[], tuple[dict[str, Any], str]]
    _container: StageContainer | None = field(init=False, default=None)

    def prepare(self) -> None:
        """Nothing: the container is made for the first stage."""

    def start(self, request: StageRequest, announce: Callable[[dict[str, Any]], None]) -> Running:
        """Start a stage; see the contract."""
        if request.name == _FIRST:
            self.announce_image()
        helper = self._helper()
        identity = helper.keep_running()
        files, restart = StageFiles.unclaimed(self.control, request.number, request.name)
        files.store_script(request.script)
        files.make_fifos()
        if helper.box is not None:
            os.chmod(files.script, 0o444)
            helper.box.load(files)
        announce({"restart": restart, "container": identity})
        stage = self._stage(request, files, identity)
        stage.process.start(
            ExecWork(
                files=files,
                endpoint=self.engine.pinned,
                container=identity,
                command=exec_command(helper.box is not None, self._umask),
                by_stdin=helper.box is None,
                give_up_at=request.give_up_at,
            )
        )
        return stage

    def attach(self, request: StageRequest, identity: dict[str, Any]) -> Running | None:
        """Take up a stage; see the contract."""
        files = StageFiles.of(self.control, request.number, request.name, int(identity["restart"]))
        stage = self._stage(request, files, str(identity["container"]))
        return stage if stage.process.attach() else None

    def chown(self, owner: str, folders: list[str]) -> None:
        """Give folders to another user of the job's image; see the contract."""
        identity = self._helper().keep_running()

        def run() -> tuple[int, bytes]:
            command = ["chown", "-RP", "--", owner, *folders]
            made = self.engine.call(lambda api: api.exec_create(identity, command, user="0"))
            output = self.engine.call(lambda api: api.exec_start(made["Id"]))
            state = self.engine.call(lambda api: api.exec_inspect(made["Id"]))
            return int(state["ExitCode"]), output

        code, output = in_background(run, self.report)
        if code:
            raise PyrunnerError(f"chown: exit code {code}: {output.decode(errors='replace').strip()}")

    def cleanup(self) -> None:
        """Let us remove what the containers' root has made, where we are not root ourselves.

        The container goes with all others of the job. A rootless engine's root is the engine's own user.
        """
        if os.geteuid() == 0 or not self.engine.endpoint.local or self._rootless or self._container is None:
            return
        try:
            with contextlib.suppress(StageStopped):
                self.chown(f"{os.geteuid()}:{os.getegid()}", [self.job.builds_dir, CACHE, ARCHIVES_DIR])
        except PyrunnerError as error:
            logger.warning("what the job's containers have made cannot be given back: %s", error)

    @property
    def _rootless(self) -> bool:
        return any("name=rootless" in str(one) for one in self.engine.info.get("SecurityOptions") or ())

    @property
    def _umask(self) -> str:
        return "" if self.job.flag("FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR") else "0000"

    def _helper(self) -> StageContainer:
        if self._container is None:
            self._container = StageContainer(
                engine=self.engine,
                report=self.report,
                name=f"{self.job.name}_helper",
                marker=self.job.marker,
                box=Box.of(self.control, "helper") if self.engine.endpoint.local else None,
                body=self.body,
            )
            if self._container.box is not None:
                self._container.box.make()
        return self._container

    def _stage(self, request: StageRequest, files: StageFiles, identity: str) -> _ExecStage:
        tree = _ExecTree(
            engine=self.engine, container=identity, claim=files.claim, native_stop=False, group=None
        )
        return _ExecStage(
            DurableProcess(files, request.number, self.raw_log, tree, GRACE, self.side_output())
        )


@dataclass
class _ExecStage:
    process: DurableProcess

    def wait(self, watch: Watch, limits: StageLimits) -> StageEnd:
        """Return when the stage has ended and all its output is in the raw log."""
        return self.process.wait(watch, limits)


@dataclass
class _ExecTree(ContainerTree):
    """What runs in a helper container: to stop a stage it is ended, and the next stage starts it again."""

    def alive(self) -> bool:
        """Tell whether anything but the first process runs."""
        try:
            rows = self.engine.call(lambda api: api.top(self.container)).get("Processes") or []
        except EngineError:
            return False
        return len(rows) > 2  # the first process, and what it sleeps in

    def kill(self) -> None:
        """End the container, unless nothing of a stage is left in it."""
        if self.alive():
            super().kill()
