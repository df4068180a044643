"""Pulls: shared by those who may share, given up with the job (docker-executor.md 3.2)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pyrunner.errors import EngineError, PyrunnerError
from pyrunner.executors.base import StageStopped, Stop, StopKind
from pyrunner.executors.docker.images.platforms import Platform
from pyrunner.executors.docker.images.pulls import PullRequest, Pulls
from pyrunner.executors.docker.images.references import parse_reference
from pyrunner.executors.docker.registry.auth import RegistryAuth
from tests.support.fake_engine import FakeEngine, Pull
from tests.support.job_reports import JobLife

REQUEST = PullRequest("ruby:3", parse_reference("ruby:3"), None, RegistryAuth("u", "p"))
OTHERS = [
    replace(REQUEST, auth=None),
    replace(REQUEST, auth=RegistryAuth("u", "q")),
    replace(REQUEST, auth=RegistryAuth("u", identity_token="p")),
    replace(REQUEST, reference=parse_reference("ruby:4")),
    replace(REQUEST, reference=parse_reference("host/ruby:3")),
    replace(REQUEST, platform=Platform("linux", "arm64")),
]


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    """An engine."""
    with FakeEngine() as engine:
        yield engine


class Job:
    """A job that pulls, in a thread."""

    def __init__(self, fake: FakeEngine, folder: Path, request: PullRequest = REQUEST) -> None:
        self.life = JobLife(folder / f"job{threading.active_count()}-{id(self)}")
        self.error: PyrunnerError | None = None
        self._fake, self._folder, self._request = fake, folder, request
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self.life.supervisor() as (report, _):
            try:
                Pulls(self._fake.engine(), report, self._folder / "locks").pull(self._request)
            except PyrunnerError as error:
                self.error = error

    def looked(self, times: int) -> None:
        """Wait until it has looked around so often."""
        before = self.life.watch.looks
        while self.life.watch.looks < before + times and self._thread.is_alive():
            self._thread.join(0.01)

    def ended(self) -> PyrunnerError | None:
        """Wait for its end; returns its error."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.error


def test_who_comes_meanwhile_does_not_ask_again(fake: FakeEngine, tmp_path: Path) -> None:
    """One request to the engine serves both; the next job asks again."""
    go = threading.Event()
    fake.pulls = [Pull(behind=go), Pull()]
    first = Job(fake, tmp_path)
    assert fake.asked.wait(30)
    second = Job(fake, tmp_path)
    second.looked(3)
    go.set()
    assert (first.ended(), second.ended()) == (None, None)
    assert len(fake.queries) == 1
    assert Job(fake, tmp_path).ended() is None
    assert len(fake.queries) == 2


def test_a_failure_is_not_shared(fake: FakeEngine, tmp_path: Path) -> None:
    """Who has waited for it asks for itself."""
    go = threading.Event()
    fake.pulls = [Pull(before=go, status=500, message="x"), Pull()]
    first = Job(fake, tmp_path)
    assert fake.asked.wait(30)
    second = Job(fake, tmp_path)
    second.looked(3)
    go.set()
    assert isinstance(first.ended(), EngineError)
    assert second.ended() is None
    assert len(fake.queries) == 2


@pytest.mark.parametrize("other", OTHERS, ids=range(len(OTHERS)))
def test_others_neither_wait_nor_share(fake: FakeEngine, tmp_path: Path, other: PullRequest) -> None:
    """Other credentials vouch for nothing; other images and platforms are other pulls."""
    go = threading.Event()
    fake.pulls = [Pull(behind=go), Pull()]
    first = Job(fake, tmp_path)
    assert fake.asked.wait(30)
    assert Job(fake, tmp_path, other).ended() is None
    assert len(fake.queries) == 2
    go.set()
    assert first.ended() is None


def test_another_engine_is_another_pull(fake: FakeEngine, tmp_path: Path) -> None:
    """Its images are others."""
    go = threading.Event()
    fake.pulls = [Pull(behind=go)]
    first = Job(fake, tmp_path)
    assert fake.asked.wait(30)
    with FakeEngine() as other:
        other.pulls = [Pull()]
        assert Job(other, tmp_path).ended() is None
        assert len(other.queries) == 1
    go.set()
    assert first.ended() is None


def test_a_stopped_job_gives_its_pull_up(fake: FakeEngine, tmp_path: Path) -> None:
    """The engine sees that nobody waits; who had waited for this job pulls for itself."""
    never = threading.Event()
    fake.pulls = [Pull(before=never), Pull()]
    first = Job(fake, tmp_path)
    assert fake.asked.wait(30)
    second = Job(fake, tmp_path)
    second.looked(3)
    first.life.watch.stop = Stop(StopKind.CANCEL)
    assert isinstance(first.ended(), StageStopped)
    assert fake.left.wait(30)
    assert second.ended() is None
    assert len(fake.queries) == 2


def test_a_stopped_job_waits_no_longer(fake: FakeEngine, tmp_path: Path) -> None:
    """The pull it waited for goes on."""
    go = threading.Event()
    fake.pulls = [Pull(behind=go)]
    first = Job(fake, tmp_path)
    assert fake.asked.wait(30)
    second = Job(fake, tmp_path)
    second.looked(3)
    second.life.watch.stop = Stop(StopKind.CANCEL)
    assert isinstance(second.ended(), StageStopped)
    go.set()
    assert first.ended() is None
    assert len(fake.queries) == 1
