"""One run: coordinator, pipeline service, manager and display, together in this process.

Jobs take the way they always take: through the runner API, the manager, supervisors and executors.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pyrunner.ci.files import Folder
from pyrunner.ci.plan import Pipeline, PlannedJob
from pyrunner.cli.exec.choose import Chosen, named_jobs
from pyrunner.cli.exec.display import Display
from pyrunner.cli.exec.folders import RUN_LOCK, Lane
from pyrunner.cli.exec.options import Options
from pyrunner.cli.exec.runners import Executors, Runners
from pyrunner.config.model import Config, RunnerConfig
from pyrunner.config.system_id import generate_system_id
from pyrunner.coordinator.pipelines.creation import Choices, Origin
from pyrunner.coordinator.pipelines.hosting import host_pipelines
from pyrunner.coordinator.pipelines.service import PipelineService
from pyrunner.coordinator.pipelines.status import FINISHED, Status
from pyrunner.coordinator.pipelines.views import JobView, PipelineView
from pyrunner.coordinator.records import JobRecord
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.errors import PyrunnerError
from pyrunner.manager.intake import HostSettings
from pyrunner.manager.manager import Manager

#: Room for the jobs of a run: ids never repeat below a runner's root.
_IDS_PER_RUN: Final = 10_000
_LONG_POLL: Final = 50.0
#: Seconds without any change after which a person wants to know why.
_PATIENCE: Final = 30.0
#: Variables that would make a job another repository's, or another pipeline's.
_FOREIGN: Final = ("GIT_", "CI_", "GITLAB_", "RUNNER_", "FF_", "PYRUNNER_")

#: Called in the manager's loop with service, coordinator and time; returns when to be called again.
Companion = Callable[[PipelineService, EmbeddedCoordinator, float], float]


@dataclass(frozen=True)
class Plan:
    """What is run.

    :param folder: of this run; its name is its number.
    :param origin: project and commit.
    :param repository: the bare repository with the commit.
    :param git_directory: of the working copy: what git-lfs keeps is in it.
    """

    options: Options
    chosen: Chosen
    origin: Origin
    folder: Path
    repository: Path
    git_directory: Path
    lane: Lane
    #: Names of the executors that jobs get.
    used: Sequence[str]
    executors: Executors
    lent: Mapping[str, RunnerConfig]
    environ: Mapping[str, str]
    #: Included files of other projects, templates and addresses.
    elsewhere: Folder | None = None

    @property
    def number(self) -> int:
        """The run's number."""
        return int(self.folder.name)


@dataclass
class Outcome:
    """What came of a run."""

    status: Status
    jobs: list[JobView]
    records: dict[int, JobRecord]
    took: float
    interrupted: bool
    violations: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Tell whether nothing failed; a manual job may wait."""
        return not self.interrupted and not any(
            one.failed or (one.status is Status.CANCELED and not one.retried) for one in self.jobs
        )


class Session:
    """Runs one plan."""

    def __init__(self, plan: Plan, display: Display) -> None:
        self._plan = plan
        self._display = display
        self._ids: dict[str, int] = {}
        self._look = True
        #: When something has happened last; infinity once that was complained about.
        self._moved_at = time.monotonic()
        self._leaving = False
        self.interrupted = False

    def run(self, companion: Companion | None = None) -> Outcome:
        """Run until nothing more happens, or until interrupted.

        :raises PyrunnerError: when the runners cannot work here.
        """
        plan = self._plan
        began = time.monotonic()
        coordinator = EmbeddedCoordinator(
            host=plan.lane.host,
            port=plan.lane.port,
            directory=plan.folder / "coordinator",
            settings=CoordinatorSettings(trace_update_interval=1, long_poll_seconds=_LONG_POLL),
            on_trace=self._display.trace,
            first_job_id=plan.number * _IDS_PER_RUN + 1,
        )
        with coordinator:
            branch = plan.chosen.pipeline.event.project.default_branch
            coordinator.state.repositories.adopt(
                plan.origin.project, plan.repository, branch, [plan.git_directory]
            )
            tokens = {executor: coordinator.add_runner() for executor in plan.used}
            self._ids = {executor: coordinator.runner(token).id for executor, token in tokens.items()}
            runners = Runners(plan.options, plan.lane, coordinator.url, tokens, plan.lent)
            database = plan.folder / "pipelines.sqlite"
            service = host_pipelines(
                coordinator,
                database,
                elsewhere=plan.elsewhere,
                child_choices=self._child_choices,
                strict_triggers=plan.options.flag("strict"),
            )
            try:
                return self._run(coordinator, service, runners, companion, began)
            finally:
                service.close()
                for file in plan.folder.glob(f"{database.name}*"):
                    file.unlink()  # it holds the variables of all jobs

    def _run(
        self,
        coordinator: EmbeddedCoordinator,
        service: PipelineService,
        runners: Runners,
        companion: Companion | None,
        began: float,
    ) -> Outcome:
        plan = self._plan
        manager = Manager(
            config=Config(
                concurrent=plan.options.concurrency,
                check_interval=1,
                shutdown_timeout=30,
                runners=runners.configs(),
            ),
            environ=job_environment(plan.environ),
            host=HostSettings(generate_system_id(), working_directory=str(plan.folder)),
            detaches=False,
        )
        service.listeners.append(self._display.changed)
        service.listeners.append(lambda view: self._changed(view, manager))
        pipeline_id = service.create(
            plan.chosen.pipeline, plan.origin, self._choices(plan.chosen.pipeline), plan.number
        )
        service.start()

        def step(now: float) -> float:
            due = companion(service, coordinator, now) if companion else math.inf
            return min(due, self._step(manager, service, coordinator, pipeline_id, now))

        manager.companion = step
        manager.run()
        if service.failure is not None:
            raise PyrunnerError(f"the run was given up: {service.failure}") from service.failure
        service.step(time.time())
        jobs = service.jobs(pipeline_id, children=True)
        status = service.pipeline(pipeline_id).status
        took = time.monotonic() - began
        # what is left of a run that was killed reports here, too: that is no mistake of this one
        first = self._plan.number * _IDS_PER_RUN
        violations = [str(one) for one in coordinator.violations if one.job_id is None or one.job_id > first]
        return Outcome(status, jobs, dict(coordinator.store.jobs), took, self.interrupted, violations)

    def _step(
        self,
        manager: Manager,
        service: PipelineService,
        coordinator: EmbeddedCoordinator,
        pipeline_id: int,
        now: float,
    ) -> float:
        if service.failure is not None and not manager.shutdown.begun:
            manager.shutdown.received(signal.SIGINT, now)
        if manager.shutdown.begun:
            if not self._leaving:
                self._leaving = self.interrupted = True
                self._display.note("stopping the jobs …")
                service.cancel(pipeline_id)
                coordinator.store.tick_queue()
            return math.inf
        if self._look:
            self._look = False
            if service.at_rest(pipeline_id):
                self._leaving = True
                manager.shutdown.leave(now)
                coordinator.store.tick_queue()  # nobody waits for a request that is held
        return self._complain(service, pipeline_id, now)

    def _complain(self, service: PipelineService, pipeline_id: int, now: float) -> float:
        """Say where to look when jobs wait for a runner and none runs; return when to call again."""
        due = self._moved_at + _PATIENCE
        if now < due:
            return due
        self._moved_at = math.inf
        states = {one.status for one in service.jobs(pipeline_id, children=True)}
        if Status.PENDING in states and Status.RUNNING not in states:
            text = f"no job has started for {_PATIENCE:.0f} s; {self._plan.folder / 'runner.log'} says why"
            self._display.note(text)
        return math.inf

    def _changed(self, view: JobView | PipelineView, manager: Manager) -> None:
        self._moved_at = time.monotonic()
        if view.status in FINISHED or view.status is Status.MANUAL:
            self._look = True
            manager.mailbox.post(lambda: None)

    def _choices(self, pipeline: Pipeline) -> Choices:
        chosen = self._plan.chosen
        return Choices(chosen.auto_play, chosen.done, self._runners_of(pipeline.jobs))

    def _child_choices(self, pipeline: Pipeline) -> Choices:
        names = [job.name for job in pipeline.jobs]
        played = {one for name in self._plan.chosen.in_children for one in named_jobs(names, name)}
        return Choices(played, {}, self._runners_of(pipeline.jobs))

    def _runners_of(self, jobs: tuple[PlannedJob, ...]) -> dict[str, int]:
        return {job.name: self._ids[self._plan.executors.of(job)] for job in jobs if job.trigger is None}


def job_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what jobs of the shell executor inherit: this environment, but no other pipeline's."""
    return {key: value for key, value in environ.items() if not key.startswith(_FOREIGN) and key != "CI"}


def clean_up(folder: Path, keep: bool) -> None:
    """Remove what a run needed while it went on."""
    for name in ("coordinator", "repository"):
        if not keep:
            shutil.rmtree(folder / name, ignore_errors=True)
    (folder / RUN_LOCK).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        if not any(folder.iterdir()):
            folder.rmdir()


def summary_of(outcome: Outcome, artifacts: Mapping[str, Any], heads: Mapping[str, str]) -> dict[str, Any]:
    """Return what is remembered of a run."""
    jobs = {
        one.name: {
            "status": str(one.status),
            "exit_code": one.exit_code,
            "failure_reason": one.failure_reason,
            "duration": round(one.duration, 3),
            "artifacts": artifacts.get(one.name, []),
        }
        for one in outcome.jobs
        if not one.retried
    }
    return {"status": str(outcome.status), "jobs": jobs, "heads": dict(heads)}
