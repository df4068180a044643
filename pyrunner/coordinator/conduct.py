"""How a runner behaves itself: the checks of runner-api.md 8.1 that do not decide an answer.

What a faithful server would refuse is refused by the endpoints and recorded there; what GitLab lets
pass although the runner must not do it is recorded here.
"""

from __future__ import annotations

import re
import time
from typing import Any, Final

from pyrunner.coordinator.calls import Call
from pyrunner.coordinator.records import JobRecord, RunnerRecord
from pyrunner.coordinator.store import Store
from pyrunner.coordinator.violations import ViolationLog

#: True whatever the executor; the only ones that may be true at a registration (1.1).
NETWORK_FEATURES: Final = frozenset(
    (
        *("trace_reset", "trace_checksum", "trace_size", "cancelable", "cancel_gracefully"),
        *("two_phase_job_commit", "job_inputs"),
    )
)
#: Keys of ``info.features``; all are always sent (runner-api.md 2.2).
FEATURES: Final = NETWORK_FEATURES.union(
    ("variables", "image", "services", "artifacts", "cache", "fallback_cache_keys", "shared"),
    ("upload_multiple_artifacts", "upload_raw_artifacts", "session", "terminal", "refspecs", "masking"),
    ("proxy", "raw_variables", "artifacts_exclude", "multi_build_steps", "vault_secrets"),
    ("return_exit_code", "service_variables", "service_multiple_aliases", "image_executor_opts"),
    ("service_executor_opts", "native_steps_integration"),
)
#: Reasons that every GitLab knows (5.9).
ALWAYS_KNOWN_REASONS: Final = frozenset(
    ("unknown_failure", "script_failure", "runner_system_failure", "job_execution_timeout")
)
#: Largest piece of a trace in one PATCH (5.3).
LARGEST_CHUNK: Final = 1_048_576
#: Seconds granted to scheduling and the network before silence counts.
SILENCE_TOLERANCE: Final = 5.0

_REQUEST_ID = re.compile(r"[0-9a-f]{32}\Z")
_SYSTEM_ID = re.compile(r"[sr]_[0-9a-zA-Z]{12}\Z")


class Conduct:
    """Records what a runner does against the protocol."""

    def __init__(self, store: Store, violations: ViolationLog) -> None:
        self._store = store
        self._violations = violations

    def breach(self, call: Call, rule: int, text: str) -> None:
        """Record a breach in a call."""
        self._violations.record(rule, text, call.line, call.job_id)

    def check_headers(self, call: Call, content_type: str | None) -> None:
        """Rule 2: correlation id, user agent, content type (0.2)."""
        if not _REQUEST_ID.match(call.headers.get("x-request-id", "")):
            self.breach(call, 2, "X-Request-Id is not 32 lowercase hex digits")
        direct = call.request.query_params.get("direct_download") == "true"
        if not direct and not call.headers.get("user-agent", "").startswith("gitlab-runner "):
            self.breach(call, 2, "User-Agent does not start with 'gitlab-runner '")
        actual = call.headers.get("content-type", "").partition(";")[0].strip()
        if content_type is not None and actual != content_type:
            self.breach(call, 2, f"Content-Type is {actual!r}, not {content_type!r}")

    def check_info(self, call: Call, info: Any, registration: bool = False) -> None:
        """Rule 5: all features are there, as booleans; at a registration only the network's are true."""
        features = info.get("features") if isinstance(info, dict) else None
        if not isinstance(features, dict):
            self.breach(call, 5, "info.features is missing")
            return
        if absent := sorted(FEATURES - features.keys()):
            self.breach(call, 5, f"info.features lacks {', '.join(absent)}")
        if wrong := sorted(key for key, value in features.items() if not isinstance(value, bool)):
            self.breach(call, 5, f"info.features is not boolean: {', '.join(wrong)}")
        if off := sorted(key for key in NETWORK_FEATURES if features.get(key) is False):
            self.breach(call, 5, f"info.features denies {', '.join(off)}")
        if registration:
            early = sorted(key for key, value in features.items() if value and key not in NETWORK_FEATURES)
            if early:
                self.breach(call, 5, f"a registration claims {', '.join(early)}")

    def check_system_id(self, call: Call, runner: RunnerRecord, system_id: Any) -> None:
        """Rule 6: shape, and the same in all calls of one runner."""
        if not isinstance(system_id, str) or not _SYSTEM_ID.match(system_id):
            self.breach(call, 6, f"system_id {system_id!r} is not of the shape s_ or r_ + 12 characters")
        elif system_id not in runner.managers and len(runner.managers) >= runner.max_managers:
            known = ", ".join(runner.managers)
            self.breach(call, 6, f"system_id {system_id} after {known}")

    def check_admission(self, call: Call, runner: RunnerRecord, requests: int = 0, jobs: int = 0) -> None:
        """Rule 18: the requests under way or jobs taken of one manager, this one included."""
        if runner.request_concurrency is not None and requests > runner.request_concurrency:
            self.breach(call, 18, f"{requests} job requests at once")
        if runner.limit is not None and jobs > runner.limit:
            self.breach(call, 18, f"{jobs} jobs at once")

    def check_job_call(self, call: Call, job: JobRecord) -> None:
        """Rules 8, 13 and 17: what comes first, nothing after the end, no long silence."""
        state = call.data.get("state")
        if job.done:
            self.breach(call, 17, "the job was DONE")
        if not job.called:
            job.called = True
            running = call.endpoint == "update_running"
            refused = state == "failed" and call.data.get("failure_reason") == "runner_system_failure"
            job.early_exit = call.endpoint == "trace" or refused
            if not (running or job.early_exit):
                self.breach(call, 8, "the first call for a job is not PUT state=running")
        elif job.early_exit and call.endpoint == "update_running":
            self.breach(call, 8, "PUT state=running after the trace was begun")
        elif job.early_exit and call.endpoint == "update_final" and state != "failed":
            self.breach(call, 8, "a job without PUT state=running ends other than failed")
        self._check_silence(job, time.time(), call.line)
        job.heard_at = time.time()

    def check_trace(self, call: Call, start: int, end: int | None) -> None:
        """Rule 9: range arithmetic, size of the piece, the query."""
        size = len(call.body)
        if size == 0:
            self.breach(call, 9, "PATCH without a body")
        elif end is None or end - start + 1 != size:
            self.breach(call, 9, f"Content-Range {start}-{end} does not fit a body of {size} bytes")
        if size > LARGEST_CHUNK:
            self.breach(call, 9, f"{size} bytes in one PATCH")
        if call.request.query_params.get("debug_trace") not in ("true", "false"):
            self.breach(call, 9, "debug_trace is missing in the query")

    def check_update(self, call: Call, job: JobRecord) -> None:
        """Rule 11: the fields of a PUT; of a final one also against the stored trace."""
        data = call.data
        output = data.get("output")
        if not isinstance(output, dict):
            self.breach(call, 11, "output is missing")
            output = {}
        if data.get("checksum", output.get("checksum")) != output.get("checksum"):
            self.breach(call, 11, "checksum differs from output.checksum")
        for key, size_or_text in (("checksum", ""), ("bytesize", 0)):
            if key in output and output[key] == size_or_text:
                self.breach(call, 11, f"output.{key} is sent although it is empty")
        self._check_reason(call, job)
        code = data.get("exit_code")
        if "exit_code" in data and (code == 0 or data.get("state") != "failed"):
            self.breach(call, 11, f"exit_code {code!r} with state {data.get('state')}")

    def _check_reason(self, call: Call, job: JobRecord) -> None:
        state, reason = call.data.get("state"), call.data.get("failure_reason", "")
        if state != "failed":
            if "failure_reason" in call.data:
                self.breach(call, 11, f"failure_reason {reason!r} with state {state}")
            return
        known = ALWAYS_KNOWN_REASONS.union(job.failure_reasons)
        if job.cancel_seen:
            known |= {"job_canceled"}  # cancelled at its first PUT: the raw reason (5.1-3)
        if not reason:
            self.breach(call, 11, "failed without failure_reason")
        elif reason not in known:
            self.breach(call, 11, f"failure_reason {reason!r} is not in the advertised list")

    def trace_complete(self, call: Call, job: JobRecord) -> bool:
        """Rule 11: size and checksum of a final update against the stored trace."""
        output = call.data.get("output")
        output = output if isinstance(output, dict) else {}
        size, checksum = output.get("bytesize", 0), output.get("checksum", "")
        complete = size == job.trace.size and (checksum == job.trace.checksum or not (checksum or size))
        if not complete and not job.trace_given_up:
            stored = f"{job.trace.size} bytes, {job.trace.checksum}"
            self.breach(call, 11, f"output {size} bytes, {checksum or 'no checksum'}; stored {stored}")
        return complete

    def check_silence(self, now: float) -> None:
        """Rule 13 for jobs that are silent at this moment."""
        with self._store.changed:
            for job in self._store.jobs.values():
                if job.processing and not job.done and self._check_silence(job, now, "silence"):
                    job.heard_at = None  # reported once

    def _check_silence(self, job: JobRecord, now: float, call: str) -> bool:
        interval = job.told_interval
        allowed = max(interval, self._store.settings.force_send_seconds) + interval + SILENCE_TOLERANCE
        if job.heard_at is None or now - job.heard_at <= allowed:
            return False
        text = f"nothing was heard of the job for {now - job.heard_at:.0f} s"
        self._violations.record(13, text, call, job.id)
        return True

    def pause_clocks(self) -> None:
        """Rule 13 is not judged over an outage of the server itself."""
        with self._store.changed:
            for job in self._store.jobs.values():
                job.heard_at = None
