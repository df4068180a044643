"""What happens in the manager, as far as somebody counts it.

The manager tells a :class:`Recorder` what happens, whether or not anybody wants to know; the one that counts
is made when there is a metrics server only, so that nothing is imported for nobody.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pyrunner.metrics import own, upstream
from pyrunner.metrics.jobfigures import JobFigures
from pyrunner.protocol.states import FailureReason
from pyrunner.system.logs import FATAL, PANIC

if TYPE_CHECKING:
    from pyrunner.metrics.registry import Registry

#: How a job's steps are run; a payload with ``run:`` is refused before they are.
MODE: Final = "traditional"
FAILURE_TYPES: Final = ("no_free_executor", "job_failure", "other")
INPUT_ERRORS: Final = ("parse", "evaluation", "sensitive_unsupported")
_LEVELS: Final = ((PANIC, "panic"), (FATAL, "fatal"), (logging.ERROR, "error"), (logging.WARNING, "warning"))
_HIGH_CARDINALITY: Final = "FF_EXPORT_HIGH_CARDINALITY_METRICS"


@dataclass(frozen=True, slots=True)
class RunnerLabels:
    """Who a runner is in the metrics."""

    runner: str
    runner_name: str
    system_id: str

    @property
    def all(self) -> tuple[str, str, str]:
        """The values of the labels ``runner``, ``runner_name``, ``system_id``."""
        return (self.runner, self.runner_name, self.system_id)


@dataclass(frozen=True, slots=True)
class JobArrival:
    """What a payload says about the queue it came from.

    :param waited: seconds in the queue.
    :param project_jobs_running: as sent: a number, ``Inf+`` or the like.
    :param waited_too_long: beyond what ``[runners.monitoring]`` accepts now.
    """

    executor: str
    waited: float = 0.0
    project_jobs_running: str = ""
    queue_size: int = 0
    queue_depth: int = 0
    waited_too_long: bool = False


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended.

    :param failure_reason: empty: it succeeded.
    :param classified: the failure is one the coordinator has a word for.
    :param input_error: which kind of failure of its inputs ended it; empty: none.
    :param duration: seconds from its begin to its end; None where it never began.
    """

    failure_reason: str = ""
    classified: bool = True
    input_error: str = ""
    duration: float | None = None
    figures: JobFigures = field(default_factory=JobFigures)
    feature_flags: dict[str, bool] = field(default_factory=dict)


class Recorder:
    """Takes note of nothing."""

    def runner_known(self, labels: RunnerLabels) -> None:
        """A runner is in the configuration: its series begin."""

    def slots_changed(self, before: int, after: int) -> None:
        """``concurrent`` has changed."""

    def job_taken(self, labels: RunnerLabels, arrival: JobArrival) -> None:
        """A job has come."""

    def job_resumed(self, labels: RunnerLabels) -> None:
        """A job of a former manager was taken over."""

    def supervisor_restarted(self, labels: RunnerLabels) -> None:
        """A job's supervisor had to be started again."""

    def job_ended(self, labels: RunnerLabels, end: JobEnd) -> None:
        """A job has ended."""

    @property
    def wants_figures(self) -> bool:
        """Tell whether reading a job's figures is worth the trouble."""
        return False


class Counting(Recorder):
    """Counts what it is told, for a metrics server."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        for _, level in _LEVELS:
            registry.prepare(upstream.ERRORS, level)
        for operation in ("started", "stopped"):
            registry.prepare(upstream.SLOT_OPERATIONS, operation)
        for error in INPUT_ERRORS:
            registry.prepare(upstream.INPUT_FAILURES, error)

    def runner_known(self, labels: RunnerLabels) -> None:
        """Let the runner's series begin at 0."""
        for metric in (upstream.JOBS_TOTAL, upstream.QUEUING_EXCEEDED, own.RESUMED, own.RESTARTS):
            self._registry.prepare(metric, *labels.all)
        for failure in FAILURE_TYPES:
            self._registry.prepare(upstream.PROCESSING_FAILURES, failure, *labels.all)

    def slots_changed(self, before: int, after: int) -> None:
        """Count slots that began or ended."""
        operation = "started" if after > before else "stopped"
        self._registry.add(upstream.SLOT_OPERATIONS, operation, amount=abs(after - before))

    def job_taken(self, labels: RunnerLabels, arrival: JobArrival) -> None:
        """Count a job and what its payload says about the queue."""
        registry = self._registry
        registry.add(upstream.JOBS_TOTAL, *labels.all)
        registry.add(upstream.EXECUTION_MODE, MODE, arrival.executor or "unknown")
        registry.observe(
            upstream.JOB_QUEUE_DURATION, arrival.waited, *labels.all, arrival.project_jobs_running
        )
        registry.put(upstream.JOB_QUEUE_SIZE, arrival.queue_size, *labels.all)
        registry.put(upstream.JOB_QUEUE_DEPTH, arrival.queue_depth, *labels.all)
        registry.add(upstream.QUEUING_EXCEEDED, *labels.all, amount=float(arrival.waited_too_long))

    def job_resumed(self, labels: RunnerLabels) -> None:
        """Count a job of a former manager."""
        self._registry.add(own.RESUMED, *labels.all)

    def supervisor_restarted(self, labels: RunnerLabels) -> None:
        """Count a supervisor that was started again."""
        self._registry.add(own.RESTARTS, *labels.all)

    def job_ended(self, labels: RunnerLabels, end: JobEnd) -> None:
        """Count a job's end and what it has used."""
        registry = self._registry
        if end.failure_reason:
            # No system id here: upstream's metric has none.
            who = (labels.runner, labels.runner_name)
            registry.add(upstream.FAILED_JOBS, *who, end.failure_reason, MODE)
            registry.add(
                upstream.PROCESSING_FAILURES, "job_failure" if end.classified else "other", *labels.all
            )
        if end.input_error:
            registry.add(upstream.INPUT_FAILURES, end.input_error)
        if end.duration is not None:
            registry.observe(upstream.JOB_DURATION, end.duration, *labels.all, MODE)
        self._count_figures(labels, end)

    @property
    def wants_figures(self) -> bool:
        """Tell whether reading a job's figures is worth the trouble."""
        return True

    def _count_figures(self, labels: RunnerLabels, end: JobEnd) -> None:
        registry, figures = self._registry, end.figures
        registry.add(upstream.INPUTS, amount=figures.interpolations)
        for stage, seconds in figures.stages:
            registry.observe(own.STAGE_DURATION, seconds, *labels.all, stage)
            if end.feature_flags.get(_HIGH_CARDINALITY):
                registry.observe(upstream.JOB_STAGE_DURATION, seconds, *labels.all, stage)
        for phase, lasted in (("start", figures.start), ("between", figures.between)):
            if lasted is not None:
                registry.observe(own.STAGE_DURATION, lasted, *labels.all, phase)
        if figures.overhead is not None:
            registry.observe(own.OVERHEAD, figures.overhead, *labels.all)
        usage = figures.usage
        for mode, amount in (("user", usage.cpu_user), ("system", usage.cpu_system)):
            registry.add(own.CPU, *labels.all, mode, amount=amount or 0.0)
        for metric, total in (
            (own.READ_BYTES, usage.read_bytes),
            (own.WRITTEN_BYTES, usage.write_bytes),
            (own.OOM_KILLS, usage.oom_kills),
        ):
            registry.add(metric, *labels.all, amount=total or 0)
        if usage.peak_memory is not None:
            registry.observe(own.PEAK_MEMORY, usage.peak_memory, *labels.all)
        for result, number in figures.cache.items():
            registry.add(own.CACHE_REQUESTS, *labels.all, result, amount=number)


class LogCounter(logging.Handler):
    """Counts the lines of the log by level."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(logging.WARNING)
        self._registry = registry

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line."""
        level = next((word for least, word in _LEVELS if record.levelno >= least), "")
        if level:
            self._registry.add(upstream.ERRORS, level)


class CallCounter:
    """Counts the calls to a coordinator for one runner (:class:`pyrunner.gitlab.call.Observer`).

    :param runner: its short token.
    """

    def __init__(self, registry: Registry, runner: str, system_id: str) -> None:
        self._registry = registry
        self._runner = runner
        self._system_id = system_id

    def request_finished(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Count one logical call; ``status`` is -1 without a usable answer."""
        who, how = (self._runner, self._system_id, endpoint), method.lower()
        self._registry.add(upstream.API_STATUSES, *who, str(status), how)
        self._registry.observe(upstream.API_DURATION, seconds, *who, status_class(status), how)

    def attempts_made(self, path: str, method: str, attempts: int) -> None:
        """Count the requests of one logical call, the first included."""
        self._registry.add(upstream.API_ATTEMPTS, normal_path(path), method.lower(), amount=attempts)


def status_class(status: int) -> str:
    """Return ``2xx`` and the like; ``unknown`` for what is no HTTP status."""
    return f"{status // 100}xx" if 100 <= status < 600 else "unknown"


def normal_path(path: str) -> str:
    """Return a path with its numbers as ``{id}``: one series an endpoint, not one a job."""
    return "/".join("{id}" if part.isdecimal() else part for part in path.split("/"))


def input_error_of(reason: str, message: str) -> str:
    """Return which kind of failure of a job's inputs a result is about; empty for any other."""
    if reason != FailureReason.CONFIGURATION_ERROR:
        return ""
    if message.startswith("sensitive inputs are unsupported"):
        return "sensitive_unsupported"
    if not message.startswith("failed to interpolate job inputs: "):
        return ""
    parse = ("is not supported" in message) or message.endswith("without `}}`")
    return "parse" if parse else "evaluation"
