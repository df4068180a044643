"""gitlab-runner 19.4's metrics: name, type, labels (config-and-commands.md 4).

Left out: job router, autoscaling, Go's runtime; and assumed AWS roles, which pyrunner does not count.
"""

from __future__ import annotations

from typing import Final

R: Final = "runner runner_name system_id"

TABLE: Final = {
    "gitlab_runner_version_info": (
        "gauge",
        "name version revision branch go_version built_at os architecture",
    ),
    "gitlab_runner_concurrent": ("gauge", ""),
    "gitlab_runner_limit": ("gauge", R),
    "gitlab_runner_jobs": ("gauge", f"{R} state stage executor_stage"),
    "gitlab_runner_jobs_total": ("counter", R),
    "gitlab_runner_failed_jobs_total": ("counter", "runner runner_name failure_reason mode"),
    "gitlab_runner_job_duration_seconds": ("histogram", f"{R} mode"),
    "gitlab_runner_job_queue_duration_seconds": ("histogram", f"{R} project_jobs_running"),
    "gitlab_runner_job_queue_size": ("gauge", R),
    "gitlab_runner_job_queue_depth": ("gauge", R),
    "gitlab_runner_acceptable_job_queuing_duration_exceeded_total": ("counter", R),
    "gitlab_runner_job_stage_duration_seconds": ("histogram", f"{R} stage"),
    "gitlab_runner_job_execution_mode_total": ("counter", "mode executor"),
    "gitlab_runner_errors_total": ("counter", "level"),
    "gitlab_runner_api_request_statuses_total": ("counter", "runner system_id endpoint status method"),
    "gitlab_runner_api_request_duration_seconds": (
        "histogram",
        "runner system_id endpoint status_class method",
    ),
    "gitlab_runner_api_request_retries_total": ("counter", "path method"),
    "gitlab_runner_request_concurrency": ("gauge", "runner system_id"),
    "gitlab_runner_request_concurrency_exceeded_total": ("counter", "runner system_id"),
    "gitlab_runner_request_concurrency_hard_limit": ("gauge", "runner system_id"),
    "gitlab_runner_request_concurrency_adaptive_limit": ("gauge", "runner system_id"),
    "gitlab_runner_request_concurrency_used_limit": ("gauge", "runner system_id"),
    "gitlab_runner_worker_feeds_total": ("counter", R),
    "gitlab_runner_worker_feed_failures_total": ("counter", R),
    "gitlab_runner_worker_slots_number": ("gauge", ""),
    "gitlab_runner_worker_slot_operations_total": ("counter", "operation"),
    "gitlab_runner_worker_processing_failures_total": ("counter", f"failure_type {R}"),
    "gitlab_runner_worker_health_check_failures_total": ("counter", R),
    "gitlab_runner_configuration_loaded_total": ("counter", ""),
    "gitlab_runner_configuration_loading_error_total": ("counter", ""),
    "gitlab_runner_configuration_saved_total": ("counter", ""),
    "gitlab_runner_configuration_saving_error_total": ("counter", ""),
    "gitlab_runner_process_state_info": ("gauge", "state"),
    "gitlab_runner_job_inputs_interpolations_total": ("counter", ""),
    "gitlab_runner_job_inputs_interpolation_failures_total": ("counter", "error_type"),
    "process_cpu_seconds_total": ("counter", ""),
    "process_resident_memory_bytes": ("gauge", ""),
    "process_virtual_memory_bytes": ("gauge", ""),
    "process_virtual_memory_max_bytes": ("gauge", ""),
    "process_open_fds": ("gauge", ""),
    "process_max_fds": ("gauge", ""),
    "process_start_time_seconds": ("gauge", ""),
}

QUEUE_BUCKETS: Final = "1 3 10 30 60 120 300 900 1800 3600"
BUCKETS: Final = {
    "gitlab_runner_job_duration_seconds": "30 60 300 600 1800 3600 7200 10800 18000 36000",
    "gitlab_runner_job_queue_duration_seconds": QUEUE_BUCKETS,
    "gitlab_runner_job_stage_duration_seconds": QUEUE_BUCKETS,
    "gitlab_runner_api_request_duration_seconds": "0.1 0.25 0.5 1 2.5 5 10 30 60",
}

#: Appear with their first event, as with gitlab-runner; the rest is there from the first scrape.
ONCE_THEY_HAPPEN: Final = frozenset(BUCKETS) | {
    "gitlab_runner_failed_jobs_total",
    "gitlab_runner_job_queue_size",
    "gitlab_runner_job_queue_depth",
    "gitlab_runner_job_execution_mode_total",
    "gitlab_runner_api_request_statuses_total",
    "gitlab_runner_api_request_retries_total",
}
