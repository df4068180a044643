"""gitlab-runner's metrics under its names, so that existing dashboards work (config-and-commands.md 4).

Not here: those of the job router, of autoscaling and of Go's runtime, which have no counterpart in pyrunner,
and those of assumed AWS roles, which here are the affair of a job's own processes.
"""

from __future__ import annotations

from typing import Final

from pyrunner.metrics.definition import RUNNER, Metric, counter, gauge, histogram

_REQUESTER: Final = ("runner", "system_id")
_QUEUE_TIMES: Final = (1, 3, 10, 30, 60, 120, 300, 900, 1800, 3600)

VERSION_INFO: Final = gauge(
    "gitlab_runner_version_info",
    ("name", "version", "revision", "branch", "go_version", "built_at", "os", "architecture"),
    "A metric with a constant '1' value labeled by different build stats fields.",
)
CONCURRENT: Final = gauge("gitlab_runner_concurrent", (), "The current value of concurrent setting")
LIMIT: Final = gauge("gitlab_runner_limit", RUNNER, "The current value of limit setting")
PROCESS_STATE: Final = gauge(
    "gitlab_runner_process_state_info", ("state",), "The current state of the runner manager"
)

# Jobs

JOBS: Final = gauge(
    "gitlab_runner_jobs",
    (*RUNNER, "state", "stage", "executor_stage"),
    "The current number of running builds.",
)
JOBS_TOTAL: Final = counter("gitlab_runner_jobs_total", RUNNER, "Total number of handled jobs")
FAILED_JOBS: Final = counter(
    "gitlab_runner_failed_jobs_total",
    ("runner", "runner_name", "failure_reason", "mode"),
    "Total number of failed jobs",
)
JOB_DURATION: Final = histogram(
    "gitlab_runner_job_duration_seconds",
    (*RUNNER, "mode"),
    "Histogram of job durations",
    *(30, 60, 300, 600, 1800, 3600, 7200, 10800, 18000, 36000),
)
JOB_QUEUE_DURATION: Final = histogram(
    "gitlab_runner_job_queue_duration_seconds",
    (*RUNNER, "project_jobs_running"),
    "A histogram representing job queue duration.",
    *_QUEUE_TIMES,
)
JOB_QUEUE_SIZE: Final = gauge(
    "gitlab_runner_job_queue_size", RUNNER, "A gauge representing the size of the queue for the runner"
)
JOB_QUEUE_DEPTH: Final = gauge(
    "gitlab_runner_job_queue_depth",
    RUNNER,
    "A gauge representing the search depth in the queue for the runner",
)
QUEUING_EXCEEDED: Final = counter(
    "gitlab_runner_acceptable_job_queuing_duration_exceeded_total",
    RUNNER,
    "Counts how often jobs exceed the configured queuing time threshold",
)
JOB_STAGE_DURATION: Final = histogram(
    "gitlab_runner_job_stage_duration_seconds",
    (*RUNNER, "stage"),
    "Histogram of each job stage duration",
    *_QUEUE_TIMES,
)
EXECUTION_MODE: Final = counter(
    "gitlab_runner_job_execution_mode_total",
    ("mode", "executor"),
    "Total number of jobs grouped by execution mode and executor",
)
INPUTS: Final = counter(
    "gitlab_runner_job_inputs_interpolations_total",
    (),
    "Total number of job input interpolations where expressions were actually used",
)
INPUT_FAILURES: Final = counter(
    "gitlab_runner_job_inputs_interpolation_failures_total",
    ("error_type",),
    "Total number of failed job input interpolations, labeled by error type",
)

# Calls to the coordinator

API_STATUSES: Final = counter(
    "gitlab_runner_api_request_statuses_total",
    ("runner", "system_id", "endpoint", "status", "method"),
    "The total number of API requests, partitioned by runner, system_id, endpoint, status and method.",
)
API_DURATION: Final = histogram(
    "gitlab_runner_api_request_duration_seconds",
    ("runner", "system_id", "endpoint", "status_class", "method"),
    "Latency histogram of API requests, partitioned by runner, system_id, endpoint, status_class and method.",
    *(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
API_ATTEMPTS: Final = counter(
    "gitlab_runner_api_request_retries_total",
    ("path", "method"),
    "The total number of attempts made to complete a request, first ones included.",
)
REQUESTS: Final = gauge(
    "gitlab_runner_request_concurrency",
    _REQUESTER,
    "The current number of concurrent requests for a new job",
)
REQUESTS_EXCEEDED: Final = counter(
    "gitlab_runner_request_concurrency_exceeded_total",
    _REQUESTER,
    "Count of excess requests above the configured request_concurrency limit",
)
REQUESTS_HARD_LIMIT: Final = gauge(
    "gitlab_runner_request_concurrency_hard_limit", _REQUESTER, "Configured request_concurrency limit"
)
REQUESTS_ADAPTIVE_LIMIT: Final = gauge(
    "gitlab_runner_request_concurrency_adaptive_limit",
    _REQUESTER,
    "Computed adaptive request concurrency limit",
)
REQUESTS_USED_LIMIT: Final = gauge(
    "gitlab_runner_request_concurrency_used_limit", _REQUESTER, "Used request concurrency limit"
)

# The manager itself

FEEDS: Final = counter(
    "gitlab_runner_worker_feeds_total",
    RUNNER,
    "Total number of times that runner worker is fed to the main loop",
)
FEED_FAILURES: Final = counter(
    "gitlab_runner_worker_feed_failures_total",
    RUNNER,
    "Total number of times that runner worker feeding have failed",
)
SLOTS: Final = gauge("gitlab_runner_worker_slots_number", (), "Current number of runner worker slots")
SLOT_OPERATIONS: Final = counter(
    "gitlab_runner_worker_slot_operations_total",
    ("operation",),
    "Total number of runner workers slot operations (starting and stopping slots)",
)
PROCESSING_FAILURES: Final = counter(
    "gitlab_runner_worker_processing_failures_total",
    ("failure_type", *RUNNER),
    "Total number of failures when processing runner worker",
)
HEALTH_FAILURES: Final = counter(
    "gitlab_runner_worker_health_check_failures_total",
    RUNNER,
    "Total number of runner worker health check failures",
)
ERRORS: Final = counter("gitlab_runner_errors_total", ("level",), "The number of caught errors.")
CONFIG_LOADED: Final = counter(
    "gitlab_runner_configuration_loaded_total", (), "Total number of times the configuration was loaded"
)
CONFIG_LOAD_ERRORS: Final = counter(
    "gitlab_runner_configuration_loading_error_total",
    (),
    "Total number of times the configuration could not be loaded",
)
CONFIG_SAVED: Final = counter(
    "gitlab_runner_configuration_saved_total", (), "Total number of times the configuration was saved"
)
CONFIG_SAVE_ERRORS: Final = counter(
    "gitlab_runner_configuration_saving_error_total",
    (),
    "Total number of times the configuration could not be saved",
)
VIRTUAL_MEMORY_MAX: Final = gauge(
    "process_virtual_memory_max_bytes", (), "Maximum amount of virtual memory available in bytes."
)

#: All of them, in the order in which they are shown.
ALL: Final[tuple[Metric, ...]] = (
    *(VERSION_INFO, PROCESS_STATE, CONCURRENT, LIMIT),
    *(JOBS, JOBS_TOTAL, FAILED_JOBS, JOB_DURATION, JOB_STAGE_DURATION, EXECUTION_MODE),
    *(JOB_QUEUE_DURATION, JOB_QUEUE_SIZE, JOB_QUEUE_DEPTH, QUEUING_EXCEEDED, INPUTS, INPUT_FAILURES),
    *(API_STATUSES, API_DURATION, API_ATTEMPTS),
    *(REQUESTS, REQUESTS_EXCEEDED, REQUESTS_HARD_LIMIT, REQUESTS_ADAPTIVE_LIMIT, REQUESTS_USED_LIMIT),
    *(FEEDS, FEED_FAILURES, SLOTS, SLOT_OPERATIONS, PROCESSING_FAILURES, HEALTH_FAILURES, ERRORS),
    *(CONFIG_LOADED, CONFIG_LOAD_ERRORS, CONFIG_SAVED, CONFIG_SAVE_ERRORS, VIRTUAL_MEMORY_MAX),
)
