"""How a coordinator behaves: one object, which may be changed while it serves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class CoordinatorSettings:
    """The modes of runner-api.md 8.1; the defaults are a current GitLab without Workhorse polling."""

    #: ``X-GitLab-Trace-Update-Interval`` in seconds; None: as Rails, 60, or 3 for a watched job.
    trace_update_interval: int | None = None
    #: How long Workhorse holds a job request whose queue has not changed; 0 is off (1.7).
    long_poll_seconds: float = 0.0
    #: A job stays pending until ``PUT state=running`` acknowledges it (1.7).
    two_phase_commit: bool = False
    #: Seconds a job waits for its acknowledgement.
    acknowledgement_seconds: float = 120.0
    #: Old server: verify answers the text ``200``; no ``Job-Status`` on PUT, no interval, no ``canceling``.
    legacy: bool = False
    #: A final update whose size or checksum is wrong is answered 412 and the stored trace is dropped.
    strict_checksum: bool = False
    #: Seconds after the first final update until the trace chunks count as persisted: 202 before (5.8).
    persist_seconds: float = 0.0
    #: Largest artifact in bytes; larger is answered 413.
    max_artifact_bytes: int = 1 << 30
    #: Largest trace in bytes; beyond it the job is dropped with ``trace_size_exceeded``.
    max_trace_bytes: int = 100 << 20
    #: Downloads with ``direct_download=true`` are redirected to the object storage listener (7.3).
    direct_download: bool = False
    #: Silence that a runner may keep before it has to touch a job, in seconds (5.5).
    force_send_seconds: float = 30.0
    #: ``token_expires_at`` of new tokens, seconds from now; None: tokens do not expire.
    token_lifetime_seconds: float | None = None
    #: Whether ``POST /runners`` is allowed; False answers 410 (1.1).
    registration_allowed: bool = True
    #: Address of the job router; empty answers 501 (1.13).
    job_router_url: str = ""
    #: Job requests that would have brought a job are answered 409.
    conflict: bool = False
