"""Images when a supervisor is started again: neither pulled nor told twice (design R4, R6)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.executors.docker.images.job_images import Images
from pyrunner.trace.rawlog import MESSAGES
from tests.support.docker_jobs import docker_job
from tests.support.fake_engine import FakeEngine, Pull, image_id
from tests.support.image_desk import Desk, brings, fails


class Killed(BaseException):
    """The end of a supervisor."""


CREDENTIALS = [{"type": "registry", "url": "docker.io", "username": "ci", "password": "hunter2"}]
JOB: dict[str, Any] = {
    "docker": {"pull_policy": ["always", "if-not-present"]},
    "job": {"credentials": CREDENTIALS},
    "auth_config": "{",
}
TEXT = "dial tcp: i/o timeout"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A job and an engine that has nothing."""
    with FakeEngine() as fake:
        yield Desk(fake, tmp_path)


def work(images: Images) -> str:
    """Ask twice, as a job does."""
    images.use("ruby:3")
    return images.use("ruby:3").id


def pulls() -> list[Pull]:
    """Return a registry's bad day: a timeout, then an image."""
    return [fails(TEXT), brings()]


def expected(tmp_path: Path) -> list[str]:
    """Return the trace of a life without kills."""
    with FakeEngine() as fake:
        whole = Desk(fake, tmp_path / "whole")
        fake.pulls = pulls()
        assert whole.use(work, **JOB) == image_id(1)
        return whole.lines()


def test_what_has_been_done_is_neither_done_nor_told_again(desk: Desk, tmp_path: Path) -> None:
    """A second walk takes everything from the journal."""
    desk.fake.pulls = pulls()
    assert desk.use(work, **JOB) == image_id(1)
    before, asked = desk.lines(), list(desk.fake.requests)
    desk.fake.images.clear()
    assert desk.use(work, **JOB) == image_id(1)
    assert desk.lines() == before == expected(tmp_path)
    assert desk.fake.requests == asked


def test_killed_at_every_moment(tmp_path: Path) -> None:
    """After any kill the trace is that of a life without, and the image is there.

    The kills: after each line, and before and after each entry of the journal.
    """
    whole = expected(tmp_path)
    moment = 0
    while True:
        with FakeEngine() as fake:
            desk = Desk(fake, tmp_path / str(moment))
            fake.pulls = [*pulls(), brings()]
            if live_until(desk, moment):
                break
            assert desk.use(work, **JOB) == image_id(1)
            assert without_retries(desk.lines()) == without_retries(whole), moment
        moment += 1
    assert moment >= 20


def without_retries(lines: list[str]) -> list[str]:
    """Leave out what a second try would say of a registry that has another day by then."""
    return [one for one in lines if "retrying" not in one]


def live_until(desk: Desk, moment: int) -> bool:
    """Live, and die at that moment; tells whether the work was done before."""
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps > moment:
            raise Killed

    with desk.life.supervisor() as (report, _):
        original_plain, original_once = report.trace.write, report.once

        def write(data: bytes, stream: int = MESSAGES) -> None:
            step()
            original_plain(data, stream)

        def once(key: str, compute: Any) -> Any:
            step()

            def computed() -> Any:
                value = compute()
                step()
                return value

            return original_once(key, computed)

        report.trace.write = write  # type: ignore[method-assign]
        report.once = once  # type: ignore[method-assign]
        images = Images(desk.fake.engine(), docker_job(**JOB), report, desk.folder / "locks", None, {})
        try:
            work(images)
        except Killed:
            return False
    return True


def test_lines_about_progress_disturb_no_replay(desk: Desk) -> None:
    """A pull that had told how far it was, killed, then quick: nothing that follows is lost."""
    desk.fake.pulls = [brings(), brings()]
    told = ["Pulling ruby:3: 1 of 2 layers", "Pulling ruby:3: 2 of 2 layers"]

    def dies(images: Images) -> None:
        original = images._pulls.pull

        def pull(request: Any) -> None:
            for line in told:
                images._report.plain(line)
            original(request)
            raise Killed

        images._pulls.pull = pull  # type: ignore[method-assign]
        images.use("ruby:3")

    with pytest.raises(Killed):
        desk.use(dies)
    first = desk.lines()
    assert first[2:] == told
    assert desk.use(work) == image_id(1)
    assert desk.lines()[:4] == first
    assert desk.lines()[4].startswith("Using docker image")
    assert len(desk.lines()) == 7


def test_a_key_of_its_own_for_calls_that_may_be_left_out(desk: Desk) -> None:
    """Calls are counted by name; a named one stands apart, so that leaving it out shifts none."""
    desk.fake.pulls = [brings()]

    def first(images: Images) -> None:
        images.use("ruby:3", key="stage.1")
        images.use("ruby:3", key="stage.2")

    desk.use(first)
    lines = desk.lines()
    desk.fake.images.clear()
    desk.use(lambda images: images.use("ruby:3", key="stage.2"))
    assert desk.lines() == lines
