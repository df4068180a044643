"""What the manager tells becomes counts."""

from __future__ import annotations

import logging

import pytest

from pyrunner.build.inputs import Interpolation
from pyrunner.errors import BuildError
from pyrunner.jobdir.stats import JobStats
from pyrunner.metrics.jobfigures import JobFigures, figures_of
from pyrunner.metrics.recorder import (
    CallCounter,
    Counting,
    JobArrival,
    JobEnd,
    LogCounter,
    Recorder,
    RunnerLabels,
    input_error_of,
    normal_path,
    status_class,
)
from pyrunner.metrics.registry import Registry
from pyrunner.protocol.job import InputValue, JobInput
from pyrunner.protocol.states import FailureReason
from pyrunner.system.logs import FATAL, PANIC
from pyrunner.system.usage import ResourceUsage

RUNNER = RunnerLabels("AbCdEf123", "build-1", "s_1")
R = 'runner="AbCdEf123",runner_name="build-1"'
ID = 'system_id="s_1"'


def lines(registry: Registry) -> set[str]:
    """Return the samples as text."""
    return {line for line in registry.render().decode().splitlines() if not line.startswith("#")}


def test_series_begin_at_zero() -> None:
    """What is known at the start is there with 0, so that rate() sees the first event."""
    registry = Registry()
    Counting(registry).runner_known(RUNNER)
    shown = lines(registry)
    for level in ("panic", "fatal", "error", "warning"):
        assert f'gitlab_runner_errors_total{{level="{level}"}} 0.0' in shown
    for failure in ("no_free_executor", "job_failure", "other"):
        name = "gitlab_runner_worker_processing_failures_total"
        assert f'{name}{{failure_type="{failure}",{R},{ID}}} 0.0' in shown
    for operation in ("started", "stopped"):
        assert f'gitlab_runner_worker_slot_operations_total{{operation="{operation}"}} 0.0' in shown
    assert f"gitlab_runner_jobs_total{{{R},{ID}}} 0.0" in shown


def test_slots() -> None:
    """A larger `concurrent` starts slots, a smaller one stops some."""
    registry = Registry()
    recorder = Counting(registry)
    recorder.slots_changed(0, 4)
    recorder.slots_changed(4, 1)
    recorder.slots_changed(1, 1)
    shown = lines(registry)
    assert 'gitlab_runner_worker_slot_operations_total{operation="started"} 4.0' in shown
    assert 'gitlab_runner_worker_slot_operations_total{operation="stopped"} 3.0' in shown


def test_an_arrival() -> None:
    """A job counts once, with what its payload says about the queue."""
    registry = Registry()
    Counting(registry).job_taken(RUNNER, JobArrival("shell", 2.5, "1", 9, 3, waited_too_long=True))
    shown = lines(registry)
    assert f"gitlab_runner_jobs_total{{{R},{ID}}} 1.0" in shown
    assert f"gitlab_runner_job_queue_size{{{R},{ID}}} 9.0" in shown
    assert f"gitlab_runner_job_queue_depth{{{R},{ID}}} 3.0" in shown
    assert f"gitlab_runner_acceptable_job_queuing_duration_exceeded_total{{{R},{ID}}} 1.0" in shown
    assert 'gitlab_runner_job_execution_mode_total{executor="shell",mode="traditional"} 1.0' in shown
    name = "gitlab_runner_job_queue_duration_seconds"
    assert f'{name}_bucket{{le="3",project_jobs_running="1",{R},{ID}}} 1.0' in shown
    assert f'{name}_bucket{{le="1",project_jobs_running="1",{R},{ID}}} 0.0' in shown


def test_a_failed_job() -> None:
    """By reason, and apart what is the job's and what is ours."""
    registry = Registry()
    recorder = Counting(registry)
    recorder.job_ended(RUNNER, JobEnd("script_failure", duration=12.0))
    recorder.job_ended(RUNNER, JobEnd("runner_system_failure", classified=False))
    recorder.job_ended(RUNNER, JobEnd())
    shown = lines(registry)
    for reason in ("script_failure", "runner_system_failure"):
        name = "gitlab_runner_failed_jobs_total"
        assert f'{name}{{failure_reason="{reason}",mode="traditional",{R}}} 1.0' in shown
    name = "gitlab_runner_worker_processing_failures_total"
    assert f'{name}{{failure_type="job_failure",{R},{ID}}} 1.0' in shown
    assert f'{name}{{failure_type="other",{R},{ID}}} 1.0' in shown
    assert f'gitlab_runner_job_duration_seconds_count{{mode="traditional",{R},{ID}}} 1.0' in shown


STATS = JobStats(
    started_at=110.0,
    ended_at=130.0,
    stages=(
        ("get_sources", ResourceUsage(wall=2.0)),
        ("step_script", ResourceUsage(wall=10.0)),
        ("step_evil", ResourceUsage(wall=1.0)),
        ("after_script", ResourceUsage(wall=3.0)),
        ("services", ResourceUsage(wall=20.0, cpu_user=1.0)),
    ),
    usage=ResourceUsage(
        wall=16.0, cpu_user=4.0, cpu_system=1.0, peak_memory=100_000_000, read_bytes=5, oom_kills=1
    ),
    cache={"hit": 2, "other": 9},
    interpolations=3,
)


def test_figures_of_a_job() -> None:
    """Time is the stages', the start's, or lies between; overhead is all but the user's scripts."""
    figures = figures_of(STATS, received_at=109.0)
    assert figures.start == 1.0
    assert figures.between == 4.0
    assert figures.overhead == 7.0
    assert [name for name, _ in figures.stages] == [
        *("get_sources", "step_script", "step_other", "after_script")
    ]
    assert figures.cache == {"hit": 2}


def test_figures_count() -> None:
    """Sums over jobs by runner; the histogram by stage only where it was asked for."""
    registry = Registry()
    recorder = Counting(registry)
    recorder.job_ended(RUNNER, JobEnd(figures=figures_of(STATS, 109.0)))
    shown = lines(registry)
    assert f'pyrunner_job_cpu_seconds_total{{mode="user",{R},{ID}}} 4.0' in shown
    assert f"pyrunner_job_read_bytes_total{{{R},{ID}}} 5.0" in shown
    assert f"pyrunner_job_oom_kills_total{{{R},{ID}}} 1.0" in shown
    assert f'pyrunner_cache_requests_total{{result="hit",{R},{ID}}} 2.0' in shown
    assert f'pyrunner_job_stage_seconds_sum{{{R},stage="step_script",{ID}}} 10.0' in shown
    assert f'pyrunner_job_stage_seconds_sum{{{R},stage="between",{ID}}} 4.0' in shown
    assert f"pyrunner_job_overhead_seconds_sum{{{R},{ID}}} 7.0" in shown
    assert f'pyrunner_job_peak_memory_bytes_bucket{{le="2.68435456e+08",{R},{ID}}} 1.0' in shown
    assert "gitlab_runner_job_inputs_interpolations_total 3.0" in shown
    assert not any("gitlab_runner_job_stage_duration_seconds" in line for line in shown)
    flags = {"FF_EXPORT_HIGH_CARDINALITY_METRICS": True}
    recorder.job_ended(RUNNER, JobEnd(figures=figures_of(STATS, 109.0), feature_flags=flags))
    name = "gitlab_runner_job_stage_duration_seconds"
    assert f'{name}_bucket{{le="10",{R},stage="step_script",{ID}}} 1.0' in lines(registry)


def test_nothing_is_known() -> None:
    """A job without statistics, and a recorder that nobody listens to, are no trouble."""
    Counting(Registry()).job_ended(RUNNER, JobEnd(figures=JobFigures()))
    silent = Recorder()
    silent.job_ended(RUNNER, JobEnd())
    assert not silent.wants_figures


def test_calls() -> None:
    """By endpoint and status; the methods are lower case, an answer that never came is -1."""
    registry = Registry()
    calls = CallCounter(registry, "AbCdEf123", "s_1")
    calls.request_finished("request_job", "POST", 204, 0.2)
    calls.request_finished("update_job", "PUT", -1, 1.5)
    calls.attempts_made("/api/v4/jobs/17/trace", "PATCH", 3)
    shown = lines(registry)
    who = 'runner="AbCdEf123"'
    name = "gitlab_runner_api_request_statuses_total"
    assert f'{name}{{endpoint="request_job",method="post",{who},status="204",{ID}}} 1.0' in shown
    assert f'{name}{{endpoint="update_job",method="put",{who},status="-1",{ID}}} 1.0' in shown
    assert any('status_class="unknown"' in line for line in shown)
    assert (
        'gitlab_runner_api_request_retries_total{method="patch",path="/api/v4/jobs/{id}/trace"} 3.0' in shown
    )


@pytest.mark.parametrize(
    ("status", "word"), [(200, "2xx"), (404, "4xx"), (599, "5xx"), (600, "unknown"), (-1, "unknown")]
)
def test_status_classes(status: int, word: str) -> None:
    """As gitlab-runner groups them."""
    assert status_class(status) == word


def test_paths_without_ids() -> None:
    """Numbers become {id}; everything else stays."""
    assert normal_path("/api/v4/jobs/123") == "/api/v4/jobs/{id}"
    assert normal_path("/gitlab/api/v4/jobs/request") == "/gitlab/api/v4/jobs/request"


def test_log_lines() -> None:
    """Lines are counted by level; information is none of the errors."""
    registry = Registry()
    handler = LogCounter(registry)
    for level in (logging.INFO, logging.WARNING, logging.ERROR, logging.ERROR, FATAL, PANIC):
        record = logging.LogRecord("x", level, "", 0, "text", None, None)
        if record.levelno >= handler.level:
            handler.handle(record)
    shown = lines(registry)
    for word, number in (("warning", 1), ("error", 2), ("fatal", 1), ("panic", 1)):
        assert f'gitlab_runner_errors_total{{level="{word}"}} {number}.0' in shown


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("${{ job.inputs.a", "parse"),
        ("${{ 1 + 1 }}", "parse"),
        ("${{ job.inputs.none }}", "evaluation"),
        ("${{ job.inputs.secret }}", "sensitive_unsupported"),
    ],
)
def test_input_errors_as_they_are_raised(text: str, kind: str) -> None:
    """The words that are looked for are those of the build."""
    inputs = [
        JobInput("a", InputValue(type="string", content="x")),
        JobInput("secret", InputValue(type="string", content="x", sensitive=True)),
    ]
    with pytest.raises(BuildError) as raised:
        Interpolation(inputs).expand(text)
    assert input_error_of(raised.value.failure_reason, str(raised.value)) == kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("failed to interpolate job inputs: `${{` without `}}`", "parse"),
        ('failed to interpolate job inputs: expression "x" is not supported: write …', "parse"),
        ("failed to interpolate job inputs: job.inputs.a: the job has no input", "evaluation"),
        ("sensitive inputs are unsupported in interpolations yet", "sensitive_unsupported"),
        ("anything else", ""),
    ],
)
def test_input_errors(message: str, kind: str) -> None:
    """The error's own words tell its kind, and only for a reason that fits."""
    assert input_error_of(FailureReason.CONFIGURATION_ERROR, message) == kind
    assert input_error_of(FailureReason.SCRIPT_FAILURE, message) == ""
