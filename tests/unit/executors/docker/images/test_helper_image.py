"""The helper image (docker-executor.md 8.1, 8.2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import EngineError
from pyrunner.executors.docker.images.helper_image import HelperImage, default_name
from pyrunner.executors.docker.images.job_images import Images
from tests.support.docker_jobs import docker_job
from tests.support.fake_engine import FakeEngine, Pull, image_id, inspection
from tests.support.image_desk import Desk

REPOSITORY = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper"
DEFAULT = f"{REPOSITORY}:x86_64-v19.4.0"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A job and an engine that has nothing."""
    with FakeEngine() as fake:
        fake.info["Architecture"] = "amd64"
        yield Desk(fake, tmp_path)


def use(desk: Desk, **job: Any) -> Any:
    """Return the helper image, or the error."""

    def act(images: Images) -> Any:
        helper = HelperImage(desk.fake.engine(), docker_job(**job), images._report, images, [desk.folder])
        return helper.get()

    return desk.use(act, **job)


@pytest.mark.parametrize(
    ("architecture", "flavor", "tag"),
    [
        ("amd64", "", "x86_64-v19.4.0"),
        ("x86_64", "alpine", "x86_64-v19.4.0"),
        ("aarch64", "ubuntu", "ubuntu-arm64-v19.4.0"),
        ("armv6l", "alpine", "arm-v19.4.0"),
        ("armv7l", "alpine3.21", "alpine3.21-arm-v19.4.0"),
        ("s390x", "ubi-fips", "ubi-fips-s390x-v19.4.0"),
    ],
)
def test_the_name(architecture: str, flavor: str, tag: str) -> None:
    """From architecture and flavor; alpine has no prefix in the tag."""
    assert default_name({"Architecture": architecture}, flavor) == f"{REPOSITORY}:{tag}"


def test_the_flavor_is_expanded(desk: Desk) -> None:
    """As gitlab-runner does."""
    name = f"{REPOSITORY}:ubuntu-x86_64-v19.4.0"
    desk.fake.images[name] = inspection()
    assert use(desk, docker={"helper_image_flavor": "$F"}, variables={"F": "ubuntu"}).id == image_id(1)


def test_what_is_there_is_used_silently(desk: Desk) -> None:
    """No policy is asked."""
    desk.fake.images[DEFAULT] = inspection()
    assert use(desk, docker={"pull_policy": ["always"]}).id == image_id(1)
    assert desk.lines() == []


def test_otherwise_it_is_pulled(desk: Desk) -> None:
    """With the pull policies."""
    desk.fake.pulls = [Pull(brings={DEFAULT: inspection(1, RepoDigests=[])})]
    use(desk)
    assert desk.lines() == [
        f"Using helper image:  {DEFAULT}",
        f"Using effective pull policy of [always] for container {DEFAULT}",
        f"Pulling docker image {DEFAULT} ...",
        f"Using docker image {image_id(1)} for {DEFAULT} ...",
    ]


def test_the_configured_one_is_expanded_and_told(desk: Desk) -> None:
    """No allow list applies; the double spaces are gitlab-runner's."""
    desk.fake.images["helper:1"] = inspection(1, RepoDigests=[])
    docker = {"helper_image": "helper:$V", "pull_policy": ["never"], "allowed_images": ["none"]}
    use(desk, docker=docker, variables={"V": "1"})
    assert desk.lines() == [
        f"Using helper image:  helper:1  (overridden, default would be  {DEFAULT} )",
        "Using effective pull policy of [never] for container helper:1",
        f"Using docker image {image_id(1)} for helper:1 ...",
    ]


def test_never_needs_it_to_be_there(desk: Desk) -> None:
    """Pull policies govern the helper image, too (13 #7)."""
    error = use(desk, docker={"pull_policy": ["never"]})
    assert str(error).endswith(f"[never]: Error response from daemon: No such image: {DEFAULT}")


def test_a_broken_archive_is_no_worse_than_none(desk: Desk) -> None:
    """The registry has the image, too."""
    (desk.folder / "prebuilt-alpine-x86_64.docker.tar.zst").write_bytes(b"broken")
    (desk.folder / "prebuilt-alpine-x86_64.tar.xz").write_bytes(b"broken")
    desk.fake.pulls = [Pull(brings={DEFAULT: inspection()})]
    assert use(desk).id == image_id(1)


def test_an_engine_that_fails_is_not_taken_for_one_without_the_image(desk: Desk) -> None:
    """Its error is the job's."""
    desk.fake.broken = True
    assert isinstance(use(desk), EngineError)
