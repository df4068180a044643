"""One job as its supervisor runs it: context, executor, walk, report, result."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from pyrunner.build.context import BuildContext, PrepareRefused
from pyrunner.build.jobtrace import JobTrace
from pyrunner.build.masks import trace_options
from pyrunner.build.outcome import final_line, result_of
from pyrunner.build.payload_check import UNSUPPORTED_OPTIONS_EXIT_CODE, payload_error
from pyrunner.build.report import JobReport
from pyrunner.build.runner import BuildRunner
from pyrunner.build.stagerunner import StageRunner
from pyrunner.build.terminal import JobTerminal
from pyrunner.errors import PayloadError, PyrunnerError
from pyrunner.executors.base import Executor
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.journal import JobResult, Journal
from pyrunner.jobdir.record import JobRecord
from pyrunner.protocol.decode import decode
from pyrunner.protocol.states import FailureReason, JobState
from pyrunner.supervisor.executors import job_traits
from pyrunner.supervisor.executors import make_executor as make_job_executor
from pyrunner.supervisor.figures import cache_figures, interpolations
from pyrunner.supervisor.report import store_stats, usage_lines
from pyrunner.supervisor.watch import SupervisorWatch
from pyrunner.system.usage import ResourceUsage
from pyrunner.trace.masking import Masker, active_token_prefixes
from pyrunner.trace.rawlog import RawLog
from pyrunner.trace.render import TraceOptions
from pyrunner.trace.storage import storage_error
from pyrunner.trace.text import to_bytes

logger = logging.getLogger(__name__)

#: The journal's key of :class:`_JobEnd`.
_END: Final = "end"


@dataclass(frozen=True)
class _JobEnd:
    """How the stages ended, for the lines that close the trace."""

    result: JobResult
    #: Section name and resource use of each attempt that ran.
    usages: list[tuple[str, dict[str, Any]]]
    #: Where in the trace those lines begin.
    position: int


@dataclass
class SupervisedJob:
    """Brings one job from its record to its result."""

    control: ControlDir
    record: JobRecord
    journal: Journal
    _context: BuildContext | None = field(init=False, default=None)
    _context_error: PyrunnerError | None = field(init=False, default=None)
    _refused: PrepareRefused | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        try:
            traits = job_traits(self.record, self.journal)
            dump = (
                str(self.control.login_environment) if traits.login_shell and not self.record.user else None
            )
            self._context = BuildContext.create(self.record, traits, dump)
        except PrepareRefused as refused:
            # The trace has header and sections up to the executor's; what is masked is known, too.
            self._context, self._refused = refused.context, refused
        except PyrunnerError as error:
            self._context_error = error

    def trace_options(self) -> TraceOptions:
        """Return how this job's trace is made; the same at each start."""
        return trace_options(self.record, self._context)

    def run(self, raw_log: RawLog, watch: SupervisorWatch) -> JobResult:
        """Run or resume the job; every line of the trace is in the raw log when this returns."""
        sections = self._context is not None and self._context.job.features.trace_sections
        trace = JobTrace(raw_log, sections)
        refusal = self._refusal()
        if refusal is not None:
            watch.heart.until_room(lambda: self._write_refusal(trace, refusal))
            return refusal
        end = self._journaled_end()
        if end is None:
            end = self._walk(trace, raw_log, watch)
            stored = asdict(end)
            watch.heart.until_room(lambda: self.journal.end(_END, stored, durable=False))
        # Journaled before its lines are written: they are written once, whoever writes them.
        watch.heart.until_room(lambda: self._close(trace, end))
        return end.result

    def _walk(self, trace: JobTrace, raw_log: RawLog, watch: SupervisorWatch) -> _JobEnd:
        """Run or resume the job's stages."""
        stages: StageRunner | None = None
        executors: list[Executor] = []
        error: Exception | None = None
        try:
            if self._context is None:
                raise self._context_error or PyrunnerError("the job has no context")
            context = self._context

            def make_executor(report: JobReport) -> Executor:
                executors.append(make_job_executor(context, self.control, raw_log, report))
                return executors[-1]

            stages = StageRunner(context, self.journal, trace, watch)
            terminal = JobTerminal(context, self.control)
            BuildRunner(context, make_executor, stages, watch.pause, self._refused, terminal).run()
        except PyrunnerError as failure:
            error = failure
        except OSError as failure:
            logger.exception("the job's files cannot be written")
            error = storage_error(failure, Path(failure.filename or self.control.path))
        except Exception as crash:
            logger.exception("the supervisor crashed")
            error = PyrunnerError(f"panic: {crash}")
        finally:
            beside = executors[-1].usage_beside() if executors else {}
            for executor in executors:
                executor.cleanup()
        used = [*(stages.usages if stages is not None else []), *beside.items()]
        usages = [(name, usage.to_dict()) for name, usage in used]
        result = result_of(error)
        # It also goes to the process log, which no masker stands in front of.
        result.message = self._masked(result.message)
        # All lines that are there were written before this end was known.
        return _JobEnd(result, usages, max(trace.position, raw_log.message_count))

    def _masked(self, text: str) -> str:
        options = self.trace_options()
        masker = Masker(options.phrases, active_token_prefixes(options.token_prefixes))
        return (masker.feed(to_bytes(text)) + masker.close()).decode(errors="replace")

    def _journaled_end(self) -> _JobEnd | None:
        """Return how the job ended under a former supervisor, which did not come to finish it."""
        value = self.journal.record.steps.get(_END)
        if value is None:
            return None
        usages = [(str(name), dict(usage)) for name, usage in value["usages"]]
        return _JobEnd(decode(JobResult, value["result"]), usages, int(value["position"]))

    def _close(self, trace: JobTrace, end: _JobEnd) -> None:
        trace.resume_at(end.position)
        self._report(trace, [(name, ResourceUsage.from_dict(usage)) for name, usage in end.usages])
        self._final_line(trace, end.result)

    @staticmethod
    def _write_refusal(trace: JobTrace, refusal: JobResult) -> None:
        trace.resume_at(0)
        trace.write(f"{refusal.message}\n".encode())

    def _refusal(self) -> JobResult | None:
        """Return how a job ends that cannot be begun (job-execution.md 1.1 step 0)."""
        text, code = self.record.refusal, 0
        if not text:
            text, code = self._payload_error(), UNSUPPORTED_OPTIONS_EXIT_CODE
        if not text:
            return None
        return JobResult(JobState.FAILED, FailureReason.SYSTEM_FAILURE, code, text, reason_is_final=True)

    def _payload_error(self) -> str:
        try:
            return payload_error(self.record.job) or ""
        except PayloadError as error:
            return f"the job's payload cannot be read: {error}"

    def _report(self, trace: JobTrace, usages: list[tuple[str, ResourceUsage]]) -> None:
        if not usages:
            return
        started = self.journal.record.started_at
        figures = {
            "cache": cache_figures(self.control, [name for name, _ in usages]),
            "interpolations": interpolations(self.record.job),
        }
        store_stats(self.control.stats, usages, started, time.time(), figures)
        if self._context is not None and self._context.runner.tristan.usage_report:
            with trace.section("resource_usage", "Resource usage"):
                for line in usage_lines(usages):
                    trace.plain(line)
            trace.close_writer()

    @staticmethod
    def _final_line(trace: JobTrace, result: JobResult) -> None:
        if result.state == JobState.SUCCESS:
            trace.info("Job succeeded")
        else:
            trace.error(final_line(result))
        trace.close_writer()
