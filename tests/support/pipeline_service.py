"""The pipeline service without runners: pipelines from YAML, and jobs that end as a test says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyrunner.ci.compiler import Sources, compile_pipeline
from pyrunner.ci.event import Event, Project
from pyrunner.ci.files import Folder
from pyrunner.ci.plan import Pipeline
from pyrunner.ci.repository import Repository
from pyrunner.coordinator.pipelines.creation import Choices, Origin
from pyrunner.coordinator.pipelines.projects import Projects
from pyrunner.coordinator.pipelines.service import PipelineService
from pyrunner.coordinator.pipelines.status import Status
from pyrunner.coordinator.pipelines.views import JobView
from pyrunner.coordinator.records import Artifact, JobStatus
from pyrunner.coordinator.repositories import Repositories
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.coordinator.store import Store
from tests.support.known_files import KnownFiles

SHA = "a" * 40


class FolderProjects(Projects):
    """Projects whose commits are one folder, without git."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Repositories(folder / "none"), lambda: "http://127.0.0.1:1")
        self._folder = folder

    def files(self, project: str, sha: str, changed: Collection[str] | None = None) -> Any:
        """Return the files below the folder."""
        known: Repository = KnownFiles(list(Folder(self._folder).names()), changed)
        return known

    def sources(self, project: str, sha: str, changed: Collection[str] | None) -> Sources:
        """Return the folder."""
        return Sources(Folder(self._folder), self.files(project, sha, changed))

    def keep(self, project: str, pipeline_id: int, sha: str) -> None:
        """There is nothing to fetch."""


class Lab:
    """A service on a store that no runner asks.

    :param folder: of the test; files below ``files`` are those of the project.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.files.mkdir(exist_ok=True)
        self._settings = settings
        #: The time that the service is told.
        self.now = 1_800_000_000.0
        self.store = Store(folder / "store", CoordinatorSettings())
        self.service = self._open()

    def _open(self) -> PipelineService:
        projects = FolderProjects(self.files)
        return PipelineService(self.folder / "pipelines.sqlite", self.store, projects, **self._settings)

    def restart(self) -> None:
        """Let store and service begin anew, as after a restart of the process."""
        self.service.close()
        self.store = Store(self.folder / "store", CoordinatorSettings())
        self.service = self._open()

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def compile(self, text: str, **event: Any) -> Pipeline:
        """Return the pipeline of a configuration."""
        sources = Sources(Folder(self.files), KnownFiles(list(Folder(self.files).names())))
        made = replace(Event(project=Project(path="group/project", separate_caches=False)), **event)
        return compile_pipeline(text, made, sources)

    def begin(self, text: str, choices: Choices | None = None, **event: Any) -> int:
        """Begin a pipeline and return its id."""
        return self.service.create(self.compile(text, **event), Origin("group/project", SHA), choices)

    def latest(self, pipeline: int, children: bool = False) -> dict[str, JobView]:
        """Return the jobs by name, the last attempt of each."""
        return {one.name: one for one in self.service.jobs(pipeline, children) if not one.retried}

    def states(self, pipeline: int) -> dict[str, str]:
        """Return the state of each job."""
        return {name: str(one.status) for name, one in self.latest(pipeline).items()}

    def state(self, pipeline: int) -> Status:
        """Return the state of a pipeline."""
        return self.service.pipeline(pipeline).status

    def payload(self, pipeline: int, name: str) -> dict[str, Any]:
        """Return what a runner would get for a job."""
        return self.store.jobs[self.latest(pipeline, True)[name].id].payload

    def run(self, pipeline: int, name: str) -> None:
        """Let a runner take a job."""
        job = self.latest(pipeline, True)[name]
        assert job.status is Status.PENDING, f"{name} is {job.status}"
        self.store.set_state(self.store.jobs[job.id], JobStatus.RUNNING)
        self.step()

    def end(
        self,
        pipeline: int,
        name: str,
        exit_code: int = 0,
        reason: str = "script_failure",
        artifacts: Mapping[str, Path] | None = None,
    ) -> None:
        """Let a pending or running job end; an exit code other than 0 is a failure."""
        job = self.latest(pipeline, True)[name]
        if job.status is Status.PENDING:
            self.run(pipeline, name)
        record = self.store.jobs[job.id]
        for kind, path in (artifacts or {}).items():
            size = path.stat().st_size
            self.store.keep_artifact(record, Artifact(kind, "zip", path.name, path, size, "0" * 64))
        failed = exit_code != 0 or reason != "script_failure"
        self.store.finish(record, not failed, reason if failed else "", exit_code)
        self.step()

    def step(self, seconds: float = 0.0) -> float:
        """Let time pass, and the service react; return when it wants to be asked again."""
        self.now += seconds
        return self.service.step(self.now)
