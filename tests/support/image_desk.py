"""One job with its images, a fake engine, and what comes of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyrunner.errors import PyrunnerError
from pyrunner.executors.base import StageLimits
from pyrunner.executors.docker.images.job_images import Images
from tests.support.docker_jobs import docker_job
from tests.support.fake_engine import FakeEngine, Pull, inspection
from tests.support.job_reports import Bystander, JobLife

COLOURS = re.compile(rb"\x1b\[[0-9;]*[mK]")


class Hasty(Bystander):
    """Waits no longer than it must, and remembers how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def pause(self, seconds: float, limits: StageLimits) -> None:
        """Note it."""
        self.pauses.append(seconds)
        time.sleep(min(seconds, 0.01))


class Desk:
    """One job, an engine, and what comes of them."""

    def __init__(self, fake: FakeEngine, folder: Path) -> None:
        self.fake = fake
        self.folder = folder
        self.life = JobLife(folder / "control")
        self.watch = Hasty()
        self.life.watch = self.watch

    def use(self, act: Callable[[Images], Any], home: Path | None = None, **job: Any) -> Any:
        """Let one supervisor do something with the images of a job; returns the result or our error."""
        with self.life.supervisor() as (report, raw_log):
            locks = self.folder / "locks"
            images = Images(self.fake.engine(), docker_job(**job), report, locks, home, {"PATH": ""})
            try:
                return act(images)
            except PyrunnerError as error:
                return error
            finally:
                raw_log.close_messages(0)

    def run(self, *calls: dict[str, Any], home: Path | None = None, **job: Any) -> list[Any]:
        """Let one supervisor make ``calls`` of ``use``; returns images and errors."""

        def act(images: Images) -> list[Any]:
            found: list[Any] = []
            for one in calls or ({"name": "ruby:3"},):
                try:
                    found.append(images.use(**one))
                except PyrunnerError as error:
                    found.append(error)
            return found

        answer: list[Any] = self.use(act, home, **job)
        return answer

    def lines(self) -> list[str]:
        """Return the trace without colours."""
        return COLOURS.sub(b"", self.life.trace()).decode().splitlines()


def brings(number: int = 1, name: str = "ruby:3") -> Pull:
    """Return a pull that succeeds."""
    return Pull(
        events=({"status": "Pulling from library/ruby", "id": "3"},), brings={name: inspection(number)}
    )


def fails(message: str) -> Pull:
    """Return a pull that fails in the middle."""
    return Pull(events=({"errorDetail": {"message": message}, "error": "other words"},))
