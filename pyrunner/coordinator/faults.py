"""Faults on request: what networks, proxies and a busy GitLab do to a runner (runner-api.md 8.1, rule 12)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum


class Endpoint(StrEnum):
    """Names of the calls, for faults and the request log."""

    ANY = "*"
    REGISTER = "register"
    VERIFY = "verify"
    UNREGISTER = "unregister"
    UNREGISTER_MANAGER = "unregister_manager"
    RESET_TOKEN = "reset_token"  # noqa: S105 - a name of a call
    DISCOVERY = "discovery"
    REQUEST = "request"
    #: PUT of a job, any state.
    UPDATE = "update"
    #: PUT with ``state=running`` only.
    UPDATE_RUNNING = "update_running"
    #: PUT with another state only.
    UPDATE_FINAL = "update_final"
    TRACE = "trace"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    GIT = "git"


class Drop(StrEnum):
    """When a connection is closed without an answer."""

    BEFORE = "before"
    AFTER = "after"


@dataclass
class Fault:
    """One fault; it applies to calls of ``endpoint`` (and job), ``times`` times, after ``skip`` calls.

    ``status`` replaces the answer and the call is not carried out, unless ``apply`` is set. The order is:
    wait ``delay``, cut the stored trace to ``truncate``, drop before, carry out, then answer or drop after.
    """

    endpoint: str = Endpoint.ANY
    job_id: int | None = None
    #: How often it applies; None: until removed.
    times: int | None = 1
    #: Calls that pass untouched first.
    skip: int = 0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    content_type: str = "application/json"
    #: Carry the call out although the answer is replaced.
    apply: bool = False
    drop: Drop | None = None
    #: Seconds before anything happens.
    delay: float = 0.0
    #: Cut the job's stored trace to this many bytes first, so that the runner meets a 416.
    truncate: int | None = None
    #: Send the real answer, but only this many bytes of its body, then drop the connection.
    cut: int | None = None

    def matches(self, endpoint: str, job_id: int | None) -> bool:
        """Tell whether a call is meant by this fault."""
        if self.job_id is not None and self.job_id != job_id:
            return False
        if self.endpoint == Endpoint.UPDATE:
            return endpoint in (Endpoint.UPDATE_RUNNING, Endpoint.UPDATE_FINAL)
        return self.endpoint in (Endpoint.ANY, endpoint)


class Faults:
    """The faults that still wait to happen; the first that matches a call applies to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Add a fault after those that are there.

        :raises ValueError: when the fault names an unknown endpoint or can never apply.
        """
        Endpoint(fault.endpoint)
        if fault.times is not None and fault.times < 1:
            raise ValueError("a fault has to apply at least once")
        if fault.status is not None and not 200 <= fault.status <= 599:
            raise ValueError(f"{fault.status} is not an HTTP status to answer with")
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, endpoint: str, job_id: int | None) -> Fault | None:
        """Return the fault that applies to this call and count it down."""
        with self._lock:
            for fault in self._faults:
                if not fault.matches(endpoint, job_id):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._faults.remove(fault)
                return fault
        return None

    def pending(self) -> list[Fault]:
        """Return the faults that have not happened yet, or not often enough."""
        with self._lock:
            return list(self._faults)

    def remove(self, fault: Fault) -> None:
        """Take a fault back; nothing happens when it is used up."""
        with self._lock:
            self._faults = [one for one in self._faults if one is not fault]

    def clear(self) -> None:
        """Take all faults back."""
        with self._lock:
            self._faults.clear()

    def fail(
        self,
        endpoint: str,
        status: int,
        times: int | None = 1,
        job_id: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Fault:
        """Answer ``status`` without carrying the call out."""
        return self.add(
            Fault(endpoint=endpoint, status=status, times=times, job_id=job_id, headers=headers or {})
        )

    def rate_limit(
        self, endpoint: str, seconds: int, times: int | None = 1, reset_time: bool = False
    ) -> Fault:
        """Answer 429 with ``Retry-After``, or with ``RateLimit-ResetTime`` (6.1), ``seconds`` from now."""
        if reset_time:
            moment = datetime.now(UTC) + timedelta(seconds=seconds)
            return self.fail(
                endpoint, 429, times, headers={"RateLimit-ResetTime": format_datetime(moment, usegmt=True)}
            )
        return self.fail(endpoint, 429, times, headers={"Retry-After": str(seconds)})

    def accepted(self, times: int = 1, interval: int = 1, job_id: int | None = None) -> Fault:
        """Answer final updates 202 with an interval: the trace is not persisted yet (5.8)."""
        headers = {"X-GitLab-Trace-Update-Interval": str(interval)}
        return self.add(Fault(Endpoint.UPDATE_FINAL, job_id, times, status=202, headers=headers, body="202"))

    def refuse_trace(self, job_id: int | None = None, times: int = 1) -> Fault:
        """Answer the final update 412 and lose the stored trace: the runner sends everything again."""
        return self.add(Fault(Endpoint.UPDATE_FINAL, job_id, times, status=412, truncate=0))

    def lose_trace(self, size: int, job_id: int | None = None) -> Fault:
        """Cut the stored trace to ``size`` bytes at the next PATCH, which meets a 416 (5.3)."""
        return self.add(Fault(Endpoint.TRACE, job_id, truncate=size))

    def drop_connection(
        self,
        endpoint: str,
        when: str = Drop.BEFORE,
        times: int | None = 1,
        job_id: int | None = None,
    ) -> Fault:
        """Close the connection without an answer, before or after the call was carried out."""
        return self.add(Fault(endpoint, job_id, times, drop=Drop(when)))

    def slow(self, endpoint: str, seconds: float, times: int | None = 1, job_id: int | None = None) -> Fault:
        """Let the answer wait."""
        return self.add(Fault(endpoint, job_id, times, delay=seconds))

    def malformed(
        self,
        endpoint: str,
        status: int = 201,
        body: str = "{",
        content_type: str = "application/json",
        apply: bool = False,
    ) -> Fault:
        """Answer with a body that does not decode, or of another type, e.g. a proxy's HTML page."""
        return self.add(
            Fault(endpoint=endpoint, status=status, body=body, content_type=content_type, apply=apply)
        )
