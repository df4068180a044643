"""``PUT /jobs/:id`` and ``PATCH /jobs/:id/trace``: state and trace of a job (runner-api.md 1.8, 1.9)."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from pyrunner.coordinator.calls import Call, forbidden, message, missing, status_text
from pyrunner.coordinator.conduct import Conduct
from pyrunner.coordinator.records import JobRecord, JobStatus
from pyrunner.coordinator.store import Store

JOB_STATUS: Final = "Job-Status"
INTERVAL: Final = "X-GitLab-Trace-Update-Interval"
#: Seconds after which the server stops waiting for trace chunks (5.8).
LONGEST_PACING: Final = 300.0

_RANGE = re.compile(r"(\d{1,15})-(\d{1,15})\Z")
_START = re.compile(r"(\d{1,15})")


class JobEndpoints:
    """Answers the calls about a job; after each, :meth:`told` learns what really went out."""

    def __init__(self, store: Store, conduct: Conduct, on_trace: Callable[[int, bytes], None]) -> None:
        self._store = store
        self._conduct = conduct
        self._on_trace = on_trace

    def update(self, call: Call) -> Response:
        """``PUT /jobs/:id``."""
        self._conduct.check_headers(call, "application/json")
        self._conduct.check_info(call, call.data.get("info"))
        token = call.data.get("token")
        if not token:
            self._conduct.breach(call, 4, "token is missing in the body")
            return missing("token")
        if token != call.headers.get("job-token"):
            self._conduct.breach(call, 3, "JOB-TOKEN differs from the token in the body")
            return forbidden()
        with self._store.changed:
            job = self.authenticate(call)
            if isinstance(job, Response):
                return job
            self._conduct.check_update(call, job)
            return self._apply(call, job)

    def _apply(self, call: Call, job: JobRecord) -> Response:
        state = call.data.get("state")
        if job.waiting:
            return self._acknowledge(call, job)
        if state == "running":
            return self._answer(job, 200)
        if state not in ("success", "failed"):
            self._conduct.breach(call, 11, f"state {state!r}")
            return message(400, "400 Bad request - Unknown build state!")
        complete = self._conduct.trace_complete(call, job)
        if not complete and self._store.settings.strict_checksum:
            job.trace.truncate(0)
            return self._answer(job, 412)
        job.final_since = job.final_since or time.time()
        job.final_update = {key: value for key, value in call.data.items() if key not in ("token", "info")}
        age = time.time() - job.final_since
        if age < min(self._store.settings.persist_seconds, LONGEST_PACING) and call.data.get("output"):
            return self._answer(job, 202, pacing(age))
        reason = str(call.data.get("failure_reason") or "")
        code = call.data.get("exit_code")
        if reason and reason not in job.failure_reasons:
            reason = "unknown_failure"
        if state == "failed":
            self._store.finish(job, False, reason or "unknown_failure", code if isinstance(code, int) else 0)
        else:
            self._store.finish(job, True)
        return self._answer(job, 200)

    def _acknowledge(self, call: Call, job: JobRecord) -> Response:
        state = call.data.get("state")
        if state == "pending":
            self._store.await_acknowledgement(job)
            return self._answer(job, 200)
        if state != "running":
            return message(400, "400 Bad request", {JOB_STATUS: str(job.state)})
        self._store.set_state(job, JobStatus.RUNNING)
        return self._answer(job, 200)

    def _answer(self, job: JobRecord, status: int, interval: int | None = None) -> Response:
        headers = {}
        if not self._store.settings.legacy:
            headers[JOB_STATUS] = str(job.state)
            if interval is not None:
                headers[INTERVAL] = str(interval)
        return status_text(status, headers)

    def patch(self, call: Call) -> Response:
        """``PATCH /jobs/:id/trace``."""
        self._conduct.check_headers(call, "text/plain")
        with self._store.changed:
            job = self.authenticate(call)
            if isinstance(job, Response):
                return job
            response = self._append(call, job)
        if response.status_code == 202:
            self._on_trace(job.id, call.body)
        return response

    def _append(self, call: Call, job: JobRecord) -> Response:
        given = call.headers.get("content-range", "")
        start_match, range_match = _START.match(given), _RANGE.match(given)
        if start_match is None:
            self._conduct.breach(call, 9, "Content-Range is missing or unreadable")
            return message(400, "400 Missing header Content-Range")
        start = int(start_match.group(1))
        self._conduct.check_trace(call, start, int(range_match.group(2)) if range_match else None)
        if start != job.trace.size:
            return message(416, "416 Range Not Satisfiable", {"Range": f"0-{job.trace.size}"})
        if job.trace.size + len(call.body) > self._store.settings.max_trace_bytes:
            self._store.drop(job, "trace_size_exceeded")
            return forbidden(headers={JOB_STATUS: str(job.state)})
        if start == 0 and call.request.query_params.get("debug_trace") == "true":
            job.debug_trace = True
        job.trace.append(call.body)
        self._store.notify()
        headers = {"Range": f"0-{job.trace.size}", JOB_STATUS: str(job.state)}
        if not self._store.settings.legacy:
            configured = self._store.settings.trace_update_interval
            default = 3 if job.watched else 60
            headers[INTERVAL] = str(default if configured is None else configured)
        return message(202, "202 Accepted", headers)

    def authenticate(self, call: Call) -> JobRecord | Response:
        """Return the job of a PUT, PATCH or upload, or the refusal (rules 3 and 10)."""
        self._store.expire_waiting()
        job = self.find(call)
        if job is None:
            self._conduct.breach(call, 3, "JOB-TOKEN is not the token of this job")
            return forbidden()
        if not job.processing:
            return forbidden("Job is not processing on runner", {JOB_STATUS: str(job.state)})
        return job

    def find(self, call: Call) -> JobRecord | None:
        """Return the job that is named by path and ``JOB-TOKEN``."""
        job = self._store.jobs.get(call.job_id or 0)
        given = call.headers.get("job-token", "")
        if job is None or not secrets.compare_digest(job.token.encode(), given.encode()):
            return None
        return job

    def told(self, call: Call, job: JobRecord, response: Response | None, faulted: bool) -> None:
        """Note what a job's call was really answered; None where nothing was.

        :param faulted: the answer is a fault's: silence that follows is not judged.
        """
        with self._store.changed:
            if response is None or faulted:
                job.heard_at = None
            if response is None:
                return
            status, headers = response.status_code, response.headers
            remote = headers.get(JOB_STATUS, "")
            aborted = status in (403, 404) or remote in ("canceled", "failed")
            if call.endpoint == "trace" and status in (403, 404):
                job.trace_given_up = True
            interval = headers.get(INTERVAL, "")
            if interval.isdigit() and int(interval) > 0:
                job.told_interval = min(int(interval), 900)
            first = sum(event.name == "update_running" for event in job.events) == 1
            if call.endpoint == "update_final" and (status == 200 or aborted):
                job.done = True
            if call.endpoint == "update_running" and first:
                job.done = aborted
                job.cancel_seen = remote == "canceling"


def pacing(age: float) -> int:
    """Return the interval of a 202 by the age of the first final update in seconds (5.8)."""
    return min(1 << max(int(age).bit_length() - 2, 0), 64)
