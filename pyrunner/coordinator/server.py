"""The coordinator inside a process: tests, ``exec`` and the demo start one and talk to it as an object."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pyrunner.coordinator.admin_api import AdminAPI
from pyrunner.coordinator.faults import Faults
from pyrunner.coordinator.http_server import ThreadedServer
from pyrunner.coordinator.jobs import make_payload, new_job_token
from pyrunner.coordinator.object_storage import ObjectStorage
from pyrunner.coordinator.records import RunnerRecord
from pyrunner.coordinator.repositories import Repository
from pyrunner.coordinator.request_log import LoggedRequest
from pyrunner.coordinator.runner_api import Application
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.coordinator.state import CoordinatorState
from pyrunner.coordinator.terminals import channel_of
from pyrunner.coordinator.violations import Violation
from pyrunner.coordinator.waiting import JobWatch
from pyrunner.system.files import make_private


class EmbeddedCoordinator(JobWatch):
    """A coordinator on loopback, served by a thread.

    Use it as a context manager, or call :meth:`start` and :meth:`close`. All methods may be called from
    any thread. After :meth:`stop`, :meth:`start` serves the same state on the same port again::

        with EmbeddedCoordinator() as coordinator:
            token = coordinator.add_runner()
            job_id = coordinator.enqueue(script=["echo hello"])
            ...                                    # a runner with coordinator.url and token
            job = coordinator.wait_for(job_id)
            assert job.state == "success"
            assert coordinator.violations == []

    :param port: 0 takes a free one, which is then kept.
    :param directory: where traces and artifacts go; None: a temporary folder, removed by :meth:`close`.
    :param on_trace: called in the server's thread with job id and bytes of each accepted PATCH; be quick.
    :param first_job_id: where job ids made here begin; a runner that keeps its records from one coordinator
        to the next needs ids that do not repeat.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        directory: Path | None = None,
        settings: CoordinatorSettings | None = None,
        on_trace: Callable[[int, bytes], None] | None = None,
        first_job_id: int = 1,
    ) -> None:
        self._temporary = None if directory else Path(tempfile.mkdtemp(prefix="pyrunner-coordinator-"))
        folder = directory or self._temporary
        assert folder is not None
        make_private(folder)
        self.state = CoordinatorState(folder, settings or CoordinatorSettings(), first_job_id)
        self.state.on_trace = on_trace
        super().__init__(self.state.store)
        self.settings: CoordinatorSettings = self.state.settings
        self.faults: Faults = self.state.faults
        self._server = ThreadedServer(Application(self.state, AdminAPI(self)), host, port)
        self._objects = ThreadedServer(ObjectStorage(self.store), host, 0)
        self._server.on_stopping = self.state.request_stop

    # Life

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> Self:
        """Serve; returns when connections are accepted.

        :raises OSError: when the port cannot be had.
        """
        self.state.begin_serving()
        self._server.start()
        if self.settings.direct_download:
            self.enable_direct_download()
        return self

    def stop(self) -> None:
        """Stop serving, as in an outage: every connection is reset, the state is kept. Safe twice."""
        self._server.stop()
        self._objects.stop()

    def close(self) -> None:
        """Stop, and remove the temporary folder. Safe twice."""
        self.stop()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def restart(self) -> None:
        """Stop and start again on the same port with the same state."""
        self.stop()
        self.start()

    def enable_direct_download(self) -> None:
        """Open the object storage listener and redirect downloads to it where the runner agrees (7.3)."""
        self._objects.start()
        self.state.artifacts.objects_url = self._objects.url
        self.settings.direct_download = True

    @property
    def url(self) -> str:
        """Base URL for a runner's ``url``."""
        return self._server.url

    @property
    def registration_token(self) -> str:
        """Token for the legacy registration."""
        return self.store.registration_token

    @property
    def personal_access_token(self) -> str:
        """Token for ``reset-token --pat``."""
        return self.store.personal_access_token

    @property
    def admin_token(self) -> str:
        """Bearer token of the endpoints below ``/-/pyrunner/``."""
        return self.state.admin_token

    # Runners

    def add_runner(self, token: str | None = None, **attributes: Any) -> str:
        """Add a runner and return its token.

        :param attributes: ``description``, ``paused``, and what to check of it: ``max_managers`` (1),
            ``request_concurrency``, ``limit`` (both not checked unless given; rule 18).
        :raises ValueError: when the token is taken.
        """
        return self.store.add_runner(token or "", **attributes).token

    def runner(self, token: str) -> RunnerRecord:
        """Return a runner's record.

        :raises KeyError: when no runner has this token.
        """
        with self.store.changed:
            record = self.store.runner_by_token(token)
        if record is None:
            raise KeyError("no runner has this token")
        return record

    def pause(self, token: str, paused: bool = True) -> None:
        """Pause or continue a runner."""
        runner = self.runner(token)
        runner.paused = paused
        self.store.tick_queue(runner.id)

    def remove_runner(self, token: str) -> None:
        """Remove a runner, as an administrator would: its next calls get 403."""
        self.store.remove_runner(self.runner(token))

    # Repositories

    def add_repository(self, name: str, path: Path) -> Repository:
        """Serve a working tree or bare repository as ``<url>/<name>.git``; the original is only read.

        :param name: project path, e.g. ``group/project``.
        :raises RepositoryError: when git cannot read it, or the name cannot be served.
        """
        return self.state.repositories.add(name, path)

    # Jobs

    def enqueue(
        self,
        payload: Mapping[str, Any] | None = None,
        *,
        runner_token: str | None = None,
        repository: str | None = None,
        **arguments: Any,
    ) -> int:
        """Queue a job and return its id.

        :param payload: a whole payload; None: one made by :func:`.jobs.make_payload` from ``arguments``
            (``job_id`` defaults to a free one).
        :param runner_token: the runner that has to take it; None: any.
        :param repository: name of an added repository; its state is fetched anew, sha and commit
            variables are those of ``ref`` (default: its default branch).
        :raises ValueError: when the id is taken or a payload is given together with arguments.
        """
        runner_id = self.runner(runner_token).id if runner_token else None
        if payload is None:
            payload = self._payload(repository, arguments)
        elif arguments or repository:
            raise ValueError("give a payload, or the arguments to make one")
        return self.store.add_job(dict(payload), runner_id).id

    def _payload(self, repository: str | None, arguments: dict[str, Any]) -> dict[str, Any]:
        arguments = {"token": new_job_token(), "server_url": self.url, **arguments}
        arguments["job_id"] = arguments.get("job_id") or self.store.new_job_id()
        arguments["pipeline_id"] = arguments.get("pipeline_id") or 1000 + arguments["job_id"]
        if repository is not None:
            arguments = self.state.repositories.job_arguments(repository, self.url, arguments)
        return make_payload(**arguments)

    def new_job_id(self) -> int:
        """Return a job id that is free."""
        return self.store.new_job_id()

    def cancel(self, job_id: int, graceful: bool | None = None) -> None:
        """Cancel a job: True ``canceling``, False ``canceled`` and 403, None as the runner supports."""
        self.store.cancel(self.job(job_id), graceful)

    def drop(self, job_id: int, failure_reason: str = "stuck_or_timeout_failure") -> None:
        """Fail a job from the server's side: its next calls get 403 with ``Job-Status: failed``."""
        self.store.drop(self.job(job_id), failure_reason)

    def watch(self, job_id: int, watched: bool = True) -> None:
        """Open or close the job's log page: the default update interval is 3 s instead of 60."""
        self.job(job_id).watched = watched

    def terminal(self, job_id: int) -> dict[str, Any]:
        """Return where the terminal of a running job is, as GitLab tells Workhorse.

        :raises KeyError: when there is none.
        """
        return channel_of(self.job(job_id))

    # What happened

    @property
    def violations(self) -> list[Violation]:
        """What runners did against the protocol (runner-api.md 8.1), also jobs that fell silent."""
        self.state.conduct.check_silence(time.time())
        return self.state.violations.all()

    def tolerate(self, *rules: int) -> None:
        """Do not record breaches of these rules from now on."""
        self.state.violations.tolerate(*rules)

    @property
    def requests(self) -> list[LoggedRequest]:
        """The calls so far, oldest first (the last 20 000)."""
        with self.store.changed:
            return list(self.state.requests)
