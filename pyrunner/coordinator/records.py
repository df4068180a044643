"""What a coordinator knows of runners and jobs."""

from __future__ import annotations

import os
import zlib
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final


class JobStatus(StrEnum):
    """States of a job as GitLab names them."""

    PENDING = "pending"
    RUNNING = "running"
    CANCELING = "canceling"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"


#: States that a job never leaves.
FINISHED: Final = frozenset({JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELED})
#: Events kept of one job, requests kept in all: a coordinator that runs for months stays small.
EVENT_LIMIT: Final = 20_000


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One call about a job, or one thing that happened to it here."""

    #: Seconds since the epoch.
    time: float
    #: Name of the endpoint, or ``enqueued``, ``assigned``, ``state``.
    name: str
    #: HTTP status answered; 0 where the connection was dropped or there was no call.
    status: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One stored artifact file."""

    artifact_type: str
    artifact_format: str
    filename: str
    path: Path
    size: int
    sha256: str
    expire_in: str = ""


@dataclass
class ManagerRecord:
    """One runner manager: a system that uses a runner's token."""

    system_id: str
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> dict[str, bool]:
        """Features last reported."""
        reported = self.info.get("features")
        return reported if isinstance(reported, dict) else {}

    def has(self, feature: str) -> bool:
        """Tell whether the manager reported a feature."""
        return self.features.get(feature) is True


@dataclass
class RunnerRecord:
    """One registered runner."""

    id: int
    token: str
    description: str = ""
    paused: bool = False
    expires_at: str | None = None
    managers: dict[str, ManagerRecord] = field(default_factory=dict)
    #: Request body of the registration, empty for a runner made here.
    registration: dict[str, Any] = field(default_factory=dict)
    #: What ``X-GitLab-Last-Update`` says; changes whenever there may be work.
    queue_value: str = ""
    #: Rules 6 and 18: how many systems, requests and jobs to expect; None is not checked.
    max_managers: int = 1
    request_concurrency: int | None = None
    limit: int | None = None


@dataclass
class TraceFile:
    """A job's trace on disk with its running checksum."""

    path: Path
    size: int = 0
    crc: int = 0

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)
        self.size += len(data)
        self.crc = zlib.crc32(data, self.crc)

    @classmethod
    def load(cls, path: Path) -> TraceFile:
        """Return the trace that a file holds; an empty one when there is none."""
        trace = cls(path)
        data = trace.read()
        trace.size, trace.crc = len(data), zlib.crc32(data)
        return trace

    def truncate(self, size: int) -> None:
        """Forget everything after ``size`` bytes."""
        if size >= self.size:
            return
        os.truncate(self.path, size)
        self.size = size
        self.crc = zlib.crc32(self.read())

    def read(self) -> bytes:
        """Return all bytes."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""

    @property
    def checksum(self) -> str:
        """The checksum as runners send it (runner-api.md 5.2)."""
        return f"crc32:{self.crc:08x}"


@dataclass
class JobRecord:
    """One job: payload, state and all that was heard of it."""

    id: int
    payload: dict[str, Any]
    token: str
    trace: TraceFile
    #: Runner that may take the job; None: any.
    runner_id: int | None = None
    state: JobStatus = JobStatus.PENDING
    failure_reason: str = ""
    exit_code: int = 0
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    events: deque[JobEvent] = field(default_factory=lambda: deque(maxlen=EVENT_LIMIT))
    #: The log was marked as debug output by its first PATCH.
    debug_trace: bool = False
    #: A person looks at the log page: update interval 3 instead of 60.
    watched: bool = False
    #: Body of the last final update.
    final_update: dict[str, Any] = field(default_factory=dict)
    #: ``session`` of the job request that got the job: where its terminal is.
    session: dict[str, str] = field(default_factory=dict, repr=False)

    assigned_runner_id: int | None = None
    system_id: str = ""
    #: Two-phase commit: handed out, pending, waiting for ``PUT state=running`` until this time.
    acknowledge_until: float = 0.0
    final_since: float = 0.0

    #: Protocol checks: what the runner has called and been told so far.
    assigned: bool = False
    called: bool = False
    early_exit: bool = False
    done: bool = False
    trace_given_up: bool = False
    cancel_seen: bool = False
    told_interval: int = 3
    #: When the runner was last heard of; None while that cannot be judged.
    heard_at: float | None = None

    @property
    def waiting(self) -> bool:
        """Handed out and not yet acknowledged (two-phase commit)."""
        return self.state is JobStatus.PENDING and self.acknowledge_until > 0

    @property
    def processing(self) -> bool:
        """Whether updates and trace are accepted."""
        return self.state in (JobStatus.RUNNING, JobStatus.CANCELING) or self.waiting

    @property
    def finished(self) -> bool:
        """Whether the job has reached its last state."""
        return self.state in FINISHED

    @property
    def failure_reasons(self) -> list[str]:
        """Failure reasons that the payload advertises."""
        reasons = self.payload.get("features", {}).get("failure_reasons", [])
        return reasons if isinstance(reasons, list) else []
