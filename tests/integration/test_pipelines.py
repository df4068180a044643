"""The pipeline service with a coordinator and a real manager, and the same pipeline by ``exec``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from pyrunner.ci.event import Event
from pyrunner.ci.plan import Pipeline
from pyrunner.coordinator.pipelines.creation import Origin
from pyrunner.coordinator.pipelines.hosting import host_pipelines
from pyrunner.coordinator.pipelines.projects import Projects
from pyrunner.coordinator.pipelines.service import PipelineService
from pyrunner.coordinator.pipelines.status import FINISHED, Status
from pyrunner.coordinator.pipelines.views import JobView
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.snapshot.event import Wanted, play
from pyrunner.snapshot.working_copy import WorkingCopy
from tests.support.exec_runs import ExecLab
from tests.support.runner import PATIENCE, RunnerProcess

pytestmark = pytest.mark.integration

PROJECT: Final = "local/project"
TEXT = """
stages: [build, test]
compile:
  stage: build
  script:
    - mkdir out
    - echo "$CI_JOB_NAME of $CI_PROJECT_PATH" > out/made.txt
    - echo "V=$CI_COMMIT_REF_SLUG" > v.env
  after_script: ['echo "after $CI_JOB_STATUS"']
  artifacts: {paths: [out], reports: {dotenv: v.env}}
unit:
  script:
    - echo "V is $V, $CI_NODE_INDEX of $CI_NODE_TOTAL"
    - cat out/made.txt
    - git log --format=%s -1
    - exit 3
  parallel: 2
  variables: {DEEP: $CI_COMMIT_BRANCH-x}
  cache: {key: $DEEP, paths: [nothing]}
  allow_failure: true
last: {stage: .post, script: ['false']}
"""
#: What differs from run to run and from place to place.
_VARYING: Final = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"section_(start|end):\d+", r"section_\1:TIME"),
    (r"127\.0\.0\.1[:_]\d+", "HOST"),
    (r"(correlation ID: )\w+", r"\1ID"),
    (r"\b(correlation_id|id|token)(\x1b\[0;m)?=\S+", r"\1=X"),
    (r"(jobs/|for job |from job )\d+", r"\1ID"),
    (r"\((\d+)\)\.\.\.", "(ID)..."),
    (r"(system ID: )\w+", r"\1ID"),
    (r"(on )\w+ \S+,", r"\1RUNNER,"),
    (r"(/\S+)?/(root|lanes/1/root)/\S+?/run/\d+/", "ROOT/run/N/"),
    (r"refs/pipelines/\d+", "refs/pipelines/ID"),
    (r" *\d+(\.\d+)? (B|KiB|MiB|s)\b", " N"),
    (r"memory +(-|N)", "memory N"),
    (r"(read|written) +(-|N)", r"\1 N"),
)


class Server:
    """A coordinator with pipelines, which can begin anew on the same database."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self._folder = folder
        self._repository = repository
        self._port = 0
        self.token = ""
        self.coordinator, self.service = self._begin()

    def _begin(self) -> tuple[EmbeddedCoordinator, PipelineService]:
        settings = CoordinatorSettings(trace_update_interval=1, long_poll_seconds=50)
        coordinator = EmbeddedCoordinator(
            directory=self._folder / "coordinator", settings=settings, port=self._port
        ).start()
        self._port = int(coordinator.url.rpartition(":")[2])
        coordinator.add_repository(PROJECT, self._repository)
        self.token = coordinator.add_runner(self.token or None)
        return coordinator, host_pipelines(coordinator, self._folder / "pipelines.sqlite").start()

    def restart(self) -> None:
        """Lose all that is in memory, and begin anew."""
        self.close()
        self.coordinator, self.service = self._begin()

    def close(self) -> None:
        """Stop serving."""
        self.service.close()
        self.coordinator.stop()

    def begin(self, event: Event) -> int:
        """Begin the pipeline of the repository's configuration."""
        projects = Projects(self.coordinator.state.repositories, lambda: self.coordinator.url)
        sources = projects.sources(PROJECT, event.commit.sha, None)
        return self.service.create(_compiled(sources, event), Origin(PROJECT, event.commit.sha))

    def wait(self, pipeline: int) -> dict[str, JobView]:
        """Wait until nothing more happens and return the jobs."""
        RunnerProcess.until(
            lambda: self.service.pipeline(pipeline).status in FINISHED, f"pipeline {pipeline} ends", PATIENCE
        )
        return {one.name: one for one in self.service.jobs(pipeline)}


def _compiled(sources: object, event: Event) -> Pipeline:
    from pyrunner.ci.compiler import Sources, compile_pipeline

    assert isinstance(sources, Sources)
    text = sources.tree.read(".gitlab-ci.yml")
    assert text is not None
    return compile_pipeline(text, event, sources)


@pytest.fixture
def lab(tmp_path: Path) -> ExecLab:
    """A repository with a pipeline."""
    return ExecLab.make(tmp_path, TEXT)


@pytest.fixture
def server(lab: ExecLab, tmp_path: Path) -> Iterator[Server]:
    """A coordinator with that repository."""
    made = Server(tmp_path / "server", lab.tree)
    yield made
    made.close()


def event_of(lab: ExecLab) -> Event:
    """Return the event of a push of what is committed."""
    return play(WorkingCopy.find(lab.tree, lab.environment), Wanted()).event


def normalised(trace: bytes) -> list[str]:
    """Return a trace without what differs from run to run; streams apart, their mix is a matter of timing."""
    text = trace.decode()
    for pattern, word in _VARYING:
        text = re.sub(pattern, word, text)
    lines = text.split("\n")
    return [one for one in lines if " 01E" in one] + [one for one in lines if " 01E" not in one]


def test_the_same_traces(lab: ExecLab, server: Server, tmp_path: Path) -> None:
    """What jobs print by ``exec`` is what they print with a coordinator and a manager of its own (R2)."""
    done = lab.run("--keep", "--quiet")
    assert done.returncode == 1, done.stdout + done.stderr
    traces = lab.latest / "coordinator" / "traces"
    settings: dict[str, Any] = {
        "name": "exec",
        "tristan": {"root": str(tmp_path / "runner/root"), "business_id": "shell"},
    }
    with RunnerProcess(tmp_path / "runner", server.coordinator.url, server.token, **settings):
        pipeline = server.begin(event_of(lab))
        jobs = server.wait(pipeline)
    assert {name: str(one.status) for name, one in jobs.items()} == {
        "compile": "success",
        "unit 1/2": "failed",
        "unit 2/2": "failed",
        "last": "failed",
    }
    assert jobs["unit 1/2"].allow_failure
    files = sorted(traces.iterdir())
    assert len(files) == len(jobs)
    for one, by_exec in zip(sorted(jobs.values(), key=lambda job: job.id), files, strict=True):
        assert normalised(server.coordinator.trace(one.id)) == normalised(by_exec.read_bytes()), one.name
    assert server.coordinator.violations == []


def test_a_restart_under_a_running_job(lab: ExecLab, server: Server, tmp_path: Path) -> None:
    """The coordinator loses its memory while a job runs: the job ends as if nothing had been, and so on."""
    flag = tmp_path / "go"
    wait = f"until test -e {flag}; do sleep 0.1; done"
    text = f"{{a: {{stage: build, script: [echo begun, {wait}, echo done]}}, b: {{script: [echo b]}}}}"
    lab.repository.commit({".gitlab-ci.yml": text}, "Wait")
    with RunnerProcess(tmp_path / "runner", server.coordinator.url, server.token):
        pipeline = server.begin(event_of(lab))
        job = next(one for one in server.service.jobs(pipeline) if one.name == "a")
        server.coordinator.wait_for_trace(job.id, b"begun")
        server.restart()
        flag.touch()
        jobs = server.wait(pipeline)
    assert {name: one.status for name, one in jobs.items()} == {"a": Status.SUCCESS, "b": Status.SUCCESS}
    assert jobs["a"].id == job.id
    trace = server.coordinator.trace(job.id)
    assert trace.count(b"begun\n") == 1
    assert b"done\n" in trace


def test_a_bad_dotenv_report_fails_its_job(lab: ExecLab, server: Server, tmp_path: Path) -> None:
    """A report that is none is refused when it is uploaded, and the job with it."""
    text = "a: {script: [echo no variables > v.env], artifacts: {reports: {dotenv: v.env}}}"
    lab.repository.commit({".gitlab-ci.yml": text}, "Bad report")
    with RunnerProcess(tmp_path / "runner", server.coordinator.url, server.token):
        jobs = server.wait(server.begin(event_of(lab)))
    trace = server.coordinator.trace(jobs["a"].id).decode()
    assert "400 Bad Request" in trace
    assert jobs["a"].status is Status.FAILED


def test_cancel_of_a_pipeline(lab: ExecLab, server: Server, tmp_path: Path) -> None:
    """A running job is told to stop, and nothing after it runs."""
    text = "{a: {stage: build, script: [echo begun, sleep 300]}, b: {script: [echo b], when: always}}"
    lab.repository.commit({".gitlab-ci.yml": text}, "Long")
    with RunnerProcess(tmp_path / "runner", server.coordinator.url, server.token):
        pipeline = server.begin(replace(event_of(lab), source="web"))
        job = next(one for one in server.service.jobs(pipeline) if one.name == "a")
        server.coordinator.wait_for_trace(job.id, b"begun")
        server.service.cancel(pipeline)
        jobs = server.wait(pipeline)
    assert {name: one.status for name, one in jobs.items()} == {"a": Status.CANCELED, "b": Status.CANCELED}
