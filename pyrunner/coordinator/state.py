"""Everything of a coordinator that survives a restart of its HTTP server, wired together."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from pathlib import Path

from pyrunner.coordinator.artifact_endpoints import ArtifactEndpoints
from pyrunner.coordinator.conduct import Conduct
from pyrunner.coordinator.faults import Faults
from pyrunner.coordinator.git_http import GitHTTP
from pyrunner.coordinator.job_endpoints import JobEndpoints
from pyrunner.coordinator.records import EVENT_LIMIT
from pyrunner.coordinator.repositories import Repositories
from pyrunner.coordinator.request_endpoint import QueueWatch, RequestEndpoint
from pyrunner.coordinator.request_log import LoggedRequest
from pyrunner.coordinator.runner_endpoints import RunnerEndpoints
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.coordinator.store import Store
from pyrunner.coordinator.violations import ViolationLog


class CoordinatorState:
    """Everything that survives a restart of the server, wired together."""

    def __init__(self, folder: Path, settings: CoordinatorSettings, first_job_id: int = 1) -> None:
        self.settings = settings
        self.store = Store(folder, settings, first_job_id)
        self.violations = ViolationLog()
        self.faults = Faults()
        self.requests: deque[LoggedRequest] = deque(maxlen=EVENT_LIMIT)
        self.repositories = Repositories(folder / "repositories")
        self.conduct = Conduct(self.store, self.violations)
        self.runners = RunnerEndpoints(self.store, self.conduct)
        self.job_requests = RequestEndpoint(self.store, self.conduct, self.runners)
        self.jobs = JobEndpoints(self.store, self.conduct, self._trace_arrived)
        self.artifacts = ArtifactEndpoints(self.store, self.conduct, self.jobs)
        self.git = GitHTTP(self.repositories, self.store)
        self.admin_token = secrets.token_urlsafe(24)
        self.on_trace: Callable[[int, bytes], None] | None = None
        self._watch: QueueWatch | None = None

    def begin_serving(self) -> None:
        """A server is about to start: what happened during an outage is nobody's fault."""
        self.conduct.pause_clocks()
        self._watch = None
        self.store.queue_listeners.clear()

    def request_stop(self) -> None:
        """The server is about to stop, in its thread: end held requests."""
        if self._watch is not None:
            self._watch.stop()

    @property
    def stopping(self) -> bool:
        """Whether the server is about to stop."""
        return self._watch is not None and self._watch.stopping

    def watch(self) -> QueueWatch:
        """Return what wakes held requests; called in the server's loop."""
        if self._watch is None:
            self._watch = QueueWatch()
            self.store.queue_listeners.append(self._watch.wake)
        return self._watch

    def _trace_arrived(self, job_id: int, data: bytes) -> None:
        if self.on_trace is not None:
            self.on_trace(job_id, data)
