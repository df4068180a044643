"""Which image a job runs in, and what pipelines may name (docker-executor.md 3.1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import BuildError
from pyrunner.executors.docker.images.job_images import Images
from tests.support.fake_engine import FakeEngine
from tests.support.image_desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A job and an engine that has nothing."""
    with FakeEngine() as fake:
        yield Desk(fake, tmp_path)


def choose(desk: Desk, **job: Any) -> tuple[str, list[str]]:
    """Return the job's image, or the text of the plain error, and the trace."""
    chosen = desk.use(lambda images: images.job_image(), **job)
    assert not isinstance(chosen, BuildError)
    return str(chosen), desk.lines()


def test_the_payloads_image_expanded(desk: Desk) -> None:
    """Without a word."""
    chosen = choose(
        desk, job={"image": {"name": "ruby:$V"}}, variables={"V": "3"}, docker={"image": "alpine"}
    )
    assert chosen == ("ruby:3", [])


def test_the_default_image_expanded(desk: Desk) -> None:
    """It is told, and not checked."""
    chosen = choose(desk, variables={"V": "3"}, docker={"image": "alpine:$V", "allowed_images": ["ruby"]})
    assert chosen == ("alpine:3", ["Using default image"])


def test_no_image_at_all(desk: Desk) -> None:
    """A plain error."""
    assert choose(desk) == ("no Docker image specified to run the build in", [])


def test_the_payloads_image_is_checked(desk: Desk) -> None:
    """The refusal is told."""
    chosen, lines = choose(desk, job={"image": {"name": "ruby"}}, docker={"allowed_images": ["alpine"]})
    assert chosen == "disallowed image"
    assert lines[1] == 'ERROR: The "ruby" image is not present on list of allowed images:'


def test_the_default_image_is_always_allowed(desk: Desk) -> None:
    """Also when the pipeline names it."""
    job = {"image": {"name": "alpine:3"}}
    docker = {"image": "alpine:$V", "allowed_images": ["ruby"]}
    assert choose(desk, job=job, docker=docker, variables={"V": "3"}) == ("alpine:3", [])


def test_services_have_a_list_of_their_own(desk: Desk) -> None:
    """Names of configured services are always allowed; the trace speaks of services."""
    docker = {"services": [{"name": "db:$V"}], "allowed_services": ["redis*"], "allowed_images": ["x"]}

    def act(images: Images) -> None:
        images.allow("db:1", "services")
        images.allow("redis:7", "services")
        images.allow("db:2", "services")

    refused = desk.use(act, docker=docker, variables={"V": "1"})
    assert str(refused) == "disallowed image"
    assert desk.lines()[1] == 'ERROR: The "db:2" image is not present on list of allowed services:'
