"""Workspace stages in the sandbox on this host: no container is started for them (design R8)."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import JobDirError
from pyrunner.executors.base import (
    Report,
    Running,
    SideOutput,
    StageEnd,
    StageLimits,
    StageRequest,
    Watch,
)
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.storage.ownership import give_tree
from pyrunner.executors.process import DurableProcess
from pyrunner.executors.sandbox.bridges import DEFAULT_BRIDGE, Neighbours
from pyrunner.executors.sandbox.git_settings import git_environment
from pyrunner.executors.sandbox.hostile_folders import clear_way, remove_odd_entries
from pyrunner.executors.sandbox.interpreter import Interpreter
from pyrunner.executors.sandbox.limits import group_limits, process_limits
from pyrunner.executors.sandbox.plan import ARCHIVES, OPEN_UMASK, USUAL_UMASK, Mount, SandboxPlan
from pyrunner.executors.sandbox.scrub import scrub
from pyrunner.executors.sandbox.tools import installed
from pyrunner.executors.sandbox.work import SandboxWork
from pyrunner.executors.stagefiles import StageFiles
from pyrunner.executors.tree import HostTree, cgroup_name
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.cgroup import JobCgroup
from pyrunner.system.files import make_private
from pyrunner.trace.rawlog import RawLog

#: Seconds between SIGTERM and SIGKILL; what runs here is ours.
GRACE: Final = 20.0
#: Stages that talk to the coordinator or its git; those of the cache only where it is elsewhere.
_NETWORKED: Final = ("get_sources", "download_artifacts", "upload_artifacts")
_CACHED: Final = ("restore_cache", "archive_cache")
#: Stages that run git on a tree which a job has had; the user's own git must find its config afterwards.
_AFTER_A_JOB: Final = ("get_sources", "clear_worktree", "archive_cache", "upload_artifacts", "cleanup_file")
#: The stages that begin with whatever there is.
_FIRST: Final = ("get_sources", "clear_worktree")
#: The stages whose git goes into submodules.
_INTO_SUBMODULES: Final = ("get_sources", "clear_worktree", "cleanup_file")


@dataclass
class LimitedStage:
    """A stage in a control group that goes with it; see :class:`pyrunner.executors.base.Running`."""

    process: DurableProcess
    group: JobCgroup

    def wait(self, watch: Watch, limits: StageLimits) -> StageEnd:
        """Return when the stage has ended."""
        try:
            return self.process.wait(watch, limits)
        finally:
            self.group.remove()


@dataclass
class SandboxWorkspace:
    """See :class:`pyrunner.executors.docker.workspaces.workspace.Workspace`.

    :param shell: of the stage scripts: ``bash`` or ``sh``.
    """

    job: DockerJob
    control: ControlDir
    raw_log: RawLog
    report: Report
    shell: str
    #: Tells what is moved into the raw log beside the stages.
    side_output: Callable[[], SideOutput | None]

    def prepare(self) -> None:
        """Make the folder of the cache archives; the others are made with the job's mounts."""
        make_private(Path(self.job.record.cache))

    def start(self, request: StageRequest, announce: Callable[[dict[str, Any]], None]) -> Running:
        """Start a stage; see the contract."""
        files, restart = StageFiles.unclaimed(self.control, request.number, request.name)
        files.store_script(request.script)
        self._make_harmless(request.name)
        group = self._limited_group()
        announce({"restart": restart, "cgroup": group.to_dict() if group is not None else None})
        process = self._process(files, request.number, group)
        process.start(
            SandboxWork(
                files=files,
                plan=self._plan(request.name),
                marker=self.job.marker,
                give_up_at=request.give_up_at,
                enter=group.enter if group is not None else lambda: None,
                kill=process.tree.kill,
                limits=process_limits(self.job.config),
                tools=installed(),
                neighbours=Neighbours(allowed=self._bridges),
            )
        )
        return process if group is None else LimitedStage(process, group)

    def attach(self, request: StageRequest, identity: dict[str, Any]) -> Running | None:
        """Take up a stage; see the contract."""
        files = StageFiles.of(self.control, request.number, request.name, int(identity["restart"]))
        group = JobCgroup.from_dict(identity["cgroup"]) if identity.get("cgroup") else None
        process = self._process(files, request.number, group)
        if not process.attach():
            return None
        return process if group is None else LimitedStage(process, group)

    def chown(self, owner: str, folders: list[str]) -> None:
        """Give folders of the job to the user of its image; see the contract."""
        uid, gid = (int(one) for one in owner.split(":"))
        source = Path(self.job.record.source)
        for folder in folders:
            inside = self._inside(folder)
            in_background(lambda inside=inside: give_tree(source, inside, uid, gid), self.report)  # type: ignore[misc]

    def cleanup(self) -> None:
        """Nothing: a sandbox ends with its stage."""

    def _limited_group(self) -> JobCgroup | None:
        """Return a control group with the limits of config.toml; None where there are none.

        To enter one takes 10 ms. What a stage of ours starts descends from its wrapper and has the marker in
        any case: none is needed to find it again.
        """
        limits = group_limits(self.job.config)
        if not limits:
            return None
        group = JobCgroup.create(cgroup_name(self.job.record), limits=limits)
        if group is None:
            raise JobDirError("the workspace sandbox cannot be limited: there is no control group to be had")
        return group

    def _process(self, files: StageFiles, number: int, group: JobCgroup | None) -> DurableProcess:
        tree = HostTree(group, self.job.marker, files.claim)
        return DurableProcess(files, number, self.raw_log, tree, GRACE, self.side_output())

    @property
    def _bridges(self) -> frozenset[str]:
        """The engine's bridges that the job's containers are on, and so may be reached."""
        return frozenset() if self.job.flag("FF_NETWORK_PER_BUILD") else frozenset({DEFAULT_BRIDGE})

    def _plan(self, stage: str) -> SandboxPlan:
        job, record = self.job, self.job.record
        # A stage sees what it works with: the tree, and the archives where it restores or saves them.
        mounts = [Mount(self._real(record.source), job.builds_dir)]
        if stage.startswith(_CACHED):
            mounts.append(Mount(self._real(record.cache), ARCHIVES))
        networked = (*_NETWORKED, *(_CACHED if job.runner.cache.type else ()))
        usual = job.flag("FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR")
        return SandboxPlan(
            mounts=tuple(mounts),
            network=stage.startswith(networked),
            interpreter=Interpreter.current(),
            command=(self.shell,),
            umask=USUAL_UMASK if usual else OPEN_UMASK,
            environment=git_environment(job.project_dir),
            host_name=job.config.hostname or job.upstream_name,
        )

    def _real(self, folder: str) -> Path:
        """Return a folder of the layout by a path without links down to the business folder.

        Whoever can lay a link there is the host's owner; from there on down nothing is followed.
        """
        business = self.job.record.business
        return Path(os.path.realpath(business)) / Path(folder).relative_to(business)

    def _goes_into_submodules(self, stage: str) -> bool:
        strategy = self.job.variables.value("GIT_SUBMODULE_STRATEGY")
        return stage.startswith(_INTO_SUBMODULES) and strategy not in ("", "none")

    def _make_harmless(self, stage: str) -> None:
        """Take out of the repository what would make git run something; no link is followed (design R8)."""
        if not stage.startswith(_AFTER_A_JOB):
            return
        source, inside = str(self._real(self.job.record.source)), self._inside(self.job.project_dir)
        submodules = self._goes_into_submodules(stage)

        def work() -> list[str]:
            lines = self._clear_ways(source) if stage.startswith(_FIRST) else []
            if scrub(f"{source}/{inside}", submodules):
                lines.append(f"Removed {self.job.project_dir}: its .git is not laid out as git does it")
            return lines

        try:
            lines = in_background(work, self.report)
        except (OSError, ValueError) as error:
            raise JobDirError(f"cannot make {self.job.project_dir}/.git safe: {error}") from error
        for line in lines:
            self.report.plain(line)

    def _clear_ways(self, source: str) -> list[str]:
        folders = (self.job.project_dir, self.job.temporary_dir)
        found = [one for one in folders if clear_way(source, self._inside(one))]
        remove_odd_entries(source, self._inside(self.job.temporary_dir))
        return [f"Removed what was in the place of {one}, or of a folder above it" for one in found]

    def _inside(self, folder: str) -> str:
        return posixpath.relpath(folder, self.job.builds_dir)
