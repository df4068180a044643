"""The manager as others see it; what its jobs tell the metrics."""

from __future__ import annotations

import json
import select
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.config.model import Config, RunnerConfig
from pyrunner.config.tables import Tristan
from pyrunner.config.watch import ConfigWatcher
from pyrunner.jobdir.journal import JobResult, JobStateRecord
from pyrunner.manager.intake import HostSettings
from pyrunner.manager.jobevents import JobEvents
from pyrunner.manager.manager import Manager
from pyrunner.manager.phase import Phase, phase_of
from pyrunner.manager.shortages import Shortages
from pyrunner.manager.tracked import Stage, TrackedJob
from pyrunner.metrics.recorder import JobArrival, JobEnd, Recorder, RunnerLabels
from pyrunner.metrics.view import LoopSilent, ManagerView
from tests.unit.manager.jobs import control_of, job_on_disk, store_trace


class Notebook(Recorder):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.ends: list[JobEnd] = []
        self.arrivals: list[JobArrival] = []
        self.resumed: list[RunnerLabels] = []

    @property
    def wants_figures(self) -> bool:
        return True

    def job_taken(self, labels: RunnerLabels, arrival: JobArrival) -> None:
        self.arrivals.append(arrival)

    def job_resumed(self, labels: RunnerLabels) -> None:
        self.resumed.append(labels)

    def job_ended(self, labels: RunnerLabels, end: JobEnd) -> None:
        self.ends.append(end)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A manager with one runner that has not begun to work."""
    entry = RunnerConfig(
        name="build-1",
        url="https://gitlab.example.com",
        token="glrt-AbCdEf1234567890",
        executor="shell",
        limit=3,
        tristan=Tristan(root=str(tmp_path / "root"), disk_budget=100),
    )
    made = Manager(
        Config(concurrent=2, runners=[entry]),
        {"HOME": str(tmp_path)},
        HostSettings("s_1"),
        ConfigWatcher(tmp_path / "config.toml", {}),
    )
    made.fleet.load([entry])
    yield made
    made.fleet.close()
    made.mailbox.close()


def figures(view: ManagerView) -> dict[tuple[str, ...], float]:
    """Return name and labels → value."""
    return {(one.metric.name, *one.labels): one.value for one in view.samples}


R = ("AbCdEf123", "build-1", "s_1")


def test_a_manager_without_jobs(manager: Manager) -> None:
    """All that is known of a runner is there with 0, an idle series included."""
    view = manager.observation.view()
    found = figures(view)
    assert found["gitlab_runner_concurrent",] == 2
    assert found["gitlab_runner_limit", *R] == 3
    assert found["gitlab_runner_jobs", *R, "idle", "idle", "idle"] == 0
    for name in ("worker_feeds_total", "worker_feed_failures_total", "worker_health_check_failures_total"):
        assert found[f"gitlab_runner_{name}", *R] == 0
    assert found["gitlab_runner_request_concurrency", R[0], R[2]] == 0
    assert found["pyrunner_trace_unsent_bytes", *R] == 0
    assert (view.state, view.ready, view.jobs) == ("starting", False, [])
    assert [room.budget for room in view.rooms] == [100]


def test_jobs_are_summed_up(manager: Manager, tmp_path: Path) -> None:
    """Two jobs in the same phase are one series with 2; what is not sent counts in bytes and seconds."""
    for number in (5, 6):
        job = job_on_disk(tmp_path, number)
        job.progress.note(JobStateRecord(stage="step_script", started_at=1.0))
        store_trace(job, b"x" * 10)
        manager.roster.add(job)
    found = figures(manager.observation.view())
    runner = job.link.config
    labels = (runner.short_token, runner.name, "s_1")
    assert found["gitlab_runner_jobs", *labels, "running", "step_script", "prepare"] == 2
    assert found["pyrunner_trace_unsent_bytes", *labels] == 20
    assert found["pyrunner_trace_lag_seconds", *labels] > 0
    assert ("pyrunner_undelivered_results", *labels) not in found
    manager.roster.finish(job, JobResult("success"), 0.0)
    found = figures(manager.observation.view())
    assert found["gitlab_runner_jobs", *labels, "running", "step_script", "prepare"] == 1
    assert found["pyrunner_undelivered_results", *labels] == 1
    assert [str(one).split()[1:4] for one in manager.observation.view().jobs] == [
        ["state=running", "stage=step_script", "executor_stage=prepare"],
        ["state=success", "stage=step_script", "executor_stage=finish"],
    ]


def test_another_thread_asks(manager: Manager) -> None:
    """The loop answers between two of its turns; the asking thread waits, the loop never does."""
    views: list[ManagerView] = []
    asking = threading.Thread(target=lambda: views.append(manager.observation.ask(30.0)))
    asking.start()
    poll = select.poll()
    poll.register(manager.mailbox, select.POLLIN)
    assert poll.poll(30_000)
    manager.mailbox.deliver()
    asking.join(30)
    assert [view.state for view in views] == ["starting"]


def test_a_loop_that_does_not_answer(manager: Manager) -> None:
    """Is reported to whoever asked, and takes no harm when it comes to it later."""
    with pytest.raises(LoopSilent, match="within 0 s"):
        manager.observation.ask(0.0)
    manager.mailbox.deliver()


def test_a_new_listen_address_is_told(manager: Manager, caplog: pytest.LogCaptureFixture) -> None:
    """It is read at start only (1.15)."""
    manager.observation.applied(Config(listen_address=":1"))
    manager.observation.applied(Config(listen_address=":1"))
    assert caplog.text == ""
    manager.observation.applied(Config(listen_address=":2"))
    assert "restart the manager" in caplog.text


@pytest.mark.parametrize(
    ("stage", "started", "executor", "phase"),
    [
        ("", 0.0, "shell", Phase("pending", "prepare_executor", "created")),
        ("", 1.0, "shell", Phase("pending", "prepare_executor", "prepare")),
        ("", 1.0, "docker", Phase("pending", "prepare_executor", "docker_prepare")),
        ("get_sources", 1.0, "docker", Phase("running", "get_sources", "docker_run")),
    ],
)
def test_phases(tmp_path: Path, stage: str, started: float, executor: str, phase: Phase) -> None:
    """In gitlab-runner's words."""
    job = job_on_disk(tmp_path)
    object.__setattr__(job.link.config, "executor", executor)
    job.progress.note(JobStateRecord(stage=stage, started_at=started))
    assert phase_of(job) == phase


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (JobResult("success"), "success"),
        (JobResult("failed", "script_failure"), "failed"),
        (JobResult("failed", "job_canceled"), "canceled"),
        (JobResult("failed", "job_execution_timeout"), "timedout"),
        (JobResult("failed", "runner_interrupted"), "terminated"),
    ],
)
def test_ends(tmp_path: Path, result: JobResult, state: str) -> None:
    """How a job ended, while its result is on its way."""
    job = job_on_disk(tmp_path)
    job.result = result
    assert phase_of(job).state == state


def ended(job: TrackedJob, result: JobResult) -> JobEnd:
    """Return what the end of a job tells."""
    notebook = Notebook()
    JobEvents(notebook, "s_1").ended(job, result)
    [end] = notebook.ends
    return end


def test_the_end_of_a_job(tmp_path: Path) -> None:
    """Its statistics count, and its time from begin to end."""
    job = job_on_disk(tmp_path)
    job.progress.note(JobStateRecord(started_at=100.0, finished_at=130.0))
    stages = [{"stage": "step_script", "wall": 5.0}]
    stats = {"started_at": 100.0, "ended_at": 110.0, "stages": stages, "job": {"wall": 5.0}}
    control_of(job).stats.write_text(json.dumps(stats))
    end = ended(job, JobResult("failed", "script_failure", 3))
    assert (end.failure_reason, end.classified, end.duration) == ("script_failure", True, 30.0)
    assert end.figures.stages == (("step_script", 5.0),)


def test_the_end_of_a_job_that_never_began(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No duration, no figures; statistics that are broken are said and cost nothing else."""
    job = job_on_disk(tmp_path)
    job.stage = Stage.SHIP
    end = ended(job, JobResult("failed", "runner_system_failure"))
    assert (end.classified, end.duration, end.figures.overhead) == (False, None, None)
    control_of(job).stats.write_text("{")
    assert ended(job, JobResult("success")).failure_reason == ""
    assert "its resource use does not count" in caplog.text


def test_taken_or_resumed(tmp_path: Path, manager: Manager) -> None:
    """A job counts once over all managers: as taken by the first, as resumed by the others."""
    notebook = Notebook()
    events = JobEvents(notebook, "s_1")
    job = job_on_disk(tmp_path)
    job.summary.begin_fields.update(time_in_queue_seconds=2.5, queue_size=4, queue_depth=2)
    events.taken(job)
    [arrival] = notebook.arrivals
    assert (arrival.waited, arrival.queue_size, arrival.queue_depth) == (2.5, 4, 2)
    events.resumed(job)
    assert notebook.resumed == [RunnerLabels(job.link.config.short_token, "", "s_1")]


def test_room_is_said_once(manager: Manager, caplog: pytest.LogCaptureFixture) -> None:
    """That there is no room is one line, however the figures change; so is the end of it."""
    caplog.set_level("INFO")
    [runner] = manager.fleet.runners.values()
    shortages = Shortages()
    for text in ("", "1 GB free", "2 GB free", "", ""):
        shortages.note(runner, text)
    assert [record.getMessage() for record in caplog.records] == [
        "No jobs are asked for: 1 GB free",
        "There is room again; jobs are asked for",
    ]
