"""Metrics that gitlab-runner does not have; none has a label a job, so that their number stays bounded."""

from __future__ import annotations

from typing import Final

from pyrunner.metrics.definition import RUNNER, Metric, counter, gauge, histogram, summary

_MIB: Final = 1024.0 * 1024
_GIB: Final = 1024 * _MIB

BUILD: Final = gauge("pyrunner_build_info", ("version", "python"), "Always 1; the labels tell the version.")

# Where the time of jobs goes

STAGE_DURATION: Final = summary(
    "pyrunner_job_stage_seconds",
    (*RUNNER, "stage"),
    "Seconds of the stages of ended jobs; 'start' is from the job's arrival to its supervisor, "
    "'between' what lies outside all stages.",
)
OVERHEAD: Final = histogram(
    "pyrunner_job_overhead_seconds",
    RUNNER,
    "Seconds of ended jobs, from arrival to end, in which no script of the user ran.",
    *(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)

# What jobs use

CPU: Final = counter(
    "pyrunner_job_cpu_seconds_total", (*RUNNER, "mode"), "Processor time of ended jobs, mode user or system."
)
PEAK_MEMORY: Final = histogram(
    "pyrunner_job_peak_memory_bytes",
    RUNNER,
    "Highest memory use of ended jobs.",
    *(16 * _MIB, 64 * _MIB, 256 * _MIB, _GIB, 2 * _GIB, 4 * _GIB, 8 * _GIB, 16 * _GIB, 32 * _GIB, 64 * _GIB),
)
READ_BYTES: Final = counter("pyrunner_job_read_bytes_total", RUNNER, "Bytes that ended jobs read from disk.")
WRITTEN_BYTES: Final = counter(
    "pyrunner_job_written_bytes_total", RUNNER, "Bytes that ended jobs wrote to disk."
)
OOM_KILLS: Final = counter(
    "pyrunner_job_oom_kills_total", RUNNER, "Processes of ended jobs that the kernel killed for memory."
)
CACHE_REQUESTS: Final = counter(
    "pyrunner_cache_requests_total",
    (*RUNNER, "result"),
    "Caches of ended jobs: hit and miss when restoring; created, unchanged and failed when saving.",
)

# Room

CACHE_SIZE: Final = gauge(
    "pyrunner_cache_bytes", RUNNER, "Bytes that local cache archives take; looked up every few minutes."
)
DISK_FREE: Final = gauge(
    "pyrunner_disk_free_bytes", RUNNER, "Free bytes on the disk that the runner's jobs are on."
)
DISK_TOTAL: Final = gauge(
    "pyrunner_disk_size_bytes", RUNNER, "Size of the disk that the runner's jobs are on."
)
DISK_MIN_FREE: Final = gauge(
    "pyrunner_disk_min_free_bytes", RUNNER, "min_free of the runner; absent where it is not set."
)
DISK_BUDGET: Final = gauge(
    "pyrunner_disk_budget_bytes", RUNNER, "disk_budget of the runner; absent where it is not set."
)
DISK_BUDGET_USED: Final = gauge(
    "pyrunner_disk_budget_used_bytes",
    RUNNER,
    "Bytes that count towards disk_budget, as last measured; absent before that.",
)

# Delivery and durability

TRACE_LAG: Final = gauge(
    "pyrunner_trace_unsent_bytes", RUNNER, "Bytes of job logs that the coordinator does not have yet."
)
TRACE_LAG_TIME: Final = gauge(
    "pyrunner_trace_lag_seconds",
    RUNNER,
    "How long the job log that is furthest behind has not been all at the coordinator.",
)
UNDELIVERED: Final = gauge(
    "pyrunner_undelivered_results",
    RUNNER,
    "Ended jobs whose result the coordinator has not acknowledged.",
)
RESUMED: Final = counter(
    "pyrunner_jobs_resumed_total", RUNNER, "Jobs that this manager took over from the one before."
)
RESTARTS: Final = counter(
    "pyrunner_supervisor_restarts_total",
    RUNNER,
    "Supervisors that were started again because theirs had ended or hung.",
)
LOOP_DELAY: Final = gauge(
    "pyrunner_loop_delay_seconds", (), "How long the manager's loop took to answer this request."
)

#: All of them, in the order in which they are shown.
ALL: Final[tuple[Metric, ...]] = (
    *(BUILD, STAGE_DURATION, OVERHEAD),
    *(CPU, PEAK_MEMORY, READ_BYTES, WRITTEN_BYTES, OOM_KILLS, CACHE_REQUESTS),
    *(CACHE_SIZE, DISK_FREE, DISK_TOTAL, DISK_MIN_FREE, DISK_BUDGET, DISK_BUDGET_USED),
    *(TRACE_LAG, TRACE_LAG_TIME, UNDELIVERED, RESUMED, RESTARTS, LOOP_DELAY),
)
