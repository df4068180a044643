"""One pull of one image: asked for, waited for, given up with the job (docker-executor.md 3.2)."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.errors import EngineError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.engine.stream import EngineStream
from pyrunner.executors.docker.images.platforms import Platform
from pyrunner.executors.docker.images.pull_progress import PullProgress
from pyrunner.executors.docker.images.pull_turns import take_turn
from pyrunner.executors.docker.images.references import Reference
from pyrunner.executors.docker.registry.auth import RegistryAuth

#: Seconds between two looks at whether another job's pull has ended.
_LOOK: Final = 0.2


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What to pull; ``name`` is how the job calls it."""

    name: str
    reference: Reference
    platform: Platform | None
    auth: RegistryAuth | None


class Pulls:
    """Makes pulls, one at a time for the same image with the same credentials on the same engine.

    :param locks: a folder that all jobs of this machine share.
    """

    def __init__(self, engine: Engine, report: Report, locks: Path) -> None:
        self._engine = engine
        self._report = report
        self._locks = locks

    def pull(self, request: PullRequest) -> None:
        """Return when the image is on the engine: pulled now, or by a job that began while this one waited.

        :raises EngineError: what engine or registry say.
        :raises JobDirError: when the folder of locks cannot be used.
        :raises StageStopped: when the job is stopped; the engine has been told to cancel.
        """
        progress = PullProgress(request.name)

        def wait() -> None:
            self._report.pause(_LOOK)
            self._say(progress.due(waiting=True))

        with take_turn(self._locks, self._key(request), wait) as turn:
            if not turn.done_by_another:
                self._pull(request, progress)
                turn.done()

    def _pull(self, request: PullRequest, progress: PullProgress) -> None:
        stream = EngineStream(self._engine.endpoint)
        version = self._engine.call(lambda api: api.api_version)

        def work() -> None:
            query = {"fromImage": request.reference.name, "tag": request.reference.version}
            if request.platform is not None:
                query["platform"] = str(request.platform)
            # The SDK would fall back to files of this user's home that are not among the job's sources.
            headers = {} if request.auth is None else {"X-Registry-Auth": request.auth.encoded()}
            with closing(stream.events(version, "/images/create", query, headers)) as events:
                for event in events:
                    if isinstance(event, dict):
                        _raise_failure(event)
                        progress.event(event)

        in_background(work, self._report, stream.give_up, lambda: self._say(progress.due()))

    def _say(self, line: str) -> None:
        if line:
            self._report.plain(line)

    def _key(self, request: PullRequest) -> str:
        """Return what the same pull by another job has too; other credentials vouch for nothing."""
        parts = [
            self._engine.endpoint.host,
            request.reference.name,
            request.reference.version,
            str(request.platform or ""),
            request.auth.fingerprint() if request.auth is not None else "",
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _raise_failure(event: dict[str, object]) -> None:
    detail = event.get("errorDetail")
    message = detail.get("message") if isinstance(detail, dict) else None
    text = message or event.get("error")
    if text:
        raise EngineError(str(text))
