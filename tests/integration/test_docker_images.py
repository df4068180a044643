"""Images of a real engine and a real registry (docker-executor.md 3, 4, 8.2)."""

from __future__ import annotations

import json
import lzma
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pyrunner.errors import BuildError, PyrunnerError
from pyrunner.executors.base import StageStopped, Stop, StopKind
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.images.helper_image import HelperImage, default_name
from pyrunner.executors.docker.images.image import Image
from pyrunner.executors.docker.images.job_images import Images
from tests.support.docker import DockerLab, docker_available, docker_lab
from tests.support.docker_jobs import docker_job
from tests.support.docker_registry import PASSWORD, USER, StallingProxy, registry, why_no_registry
from tests.support.job_reports import JobLife

__all__ = ["docker_available", "docker_lab"]
pytestmark = [pytest.mark.integration, pytest.mark.docker]

COLOURS = re.compile(rb"\x1b\[[0-9;]*[mK]")


class Shop:
    """A registry, what is in it, and a job that wants it."""

    def __init__(self, lab: DockerLab, folder: Path, address: str) -> None:
        self.lab = lab
        self.folder = folder
        self.address = address
        self.life = JobLife(folder / "control")

    def offer(self, name: str, *changes: str, at: str = "", auth: dict[str, str] | None = None) -> str:
        """Push an image with content of its own; the engine forgets it. Returns the name to pull.

        :param at: the address that it is pulled from, where that is not the registry's.
        """
        local = self.lab.image(*changes, files={"data": os.urandom(300_000)})
        repository, _, tag = name.rpartition(":")
        pushed = f"{self.address}/{repository}"
        self.lab.api.tag(local, pushed, tag)
        for event in self.lab.api.push(pushed, tag, stream=True, decode=True, auth_config=auth or {}):
            assert "error" not in event, event
        for one in (local, f"{pushed}:{tag}"):
            self.lab.api.remove_image(one, force=True)
        return f"{at or self.address}/{name}"

    def use(self, act: Callable[[Images], Any], home: Path | None = None, **job: Any) -> Any:
        """Let a supervisor do something with images; returns what came of it, or our error."""
        with self.life.supervisor() as (report, raw_log):
            engine = Engine(Endpoint.of(docker_job().config, {}))
            images = Images(engine, docker_job(**job), report, self.folder / "locks", home, os.environ)
            try:
                return act(images)
            except PyrunnerError as error:
                return error
            finally:
                raw_log.close_messages(time.time())

    def inspected(self, name: str) -> dict[str, Any]:
        """Return what the engine says of an image."""
        api: Any = self.lab.api
        found: dict[str, Any] = api.inspect_image(name)
        return found

    def lines(self) -> list[str]:
        """Return the trace without colours."""
        return COLOURS.sub(b"", self.life.trace()).decode().splitlines()


@pytest.fixture
def shop(docker_lab: DockerLab, tmp_path: Path) -> Iterator[Shop]:
    """A registry without password."""
    yield from _shop(docker_lab, tmp_path, password=False)


@pytest.fixture
def private(docker_lab: DockerLab, tmp_path: Path) -> Iterator[Shop]:
    """A registry with one."""
    yield from _shop(docker_lab, tmp_path, password=True)


def _shop(lab: DockerLab, folder: Path, *, password: bool) -> Iterator[Shop]:
    if reason := why_no_registry():
        pytest.skip(reason)
    with registry(folder, password=password) as address:
        yield Shop(lab, folder, address)
    for image in lab.api.images(filters={"label": f"pyrunner.test={lab.mark}"}):
        lab.api.remove_image(image["Id"], force=True)


AUTH = {"username": USER, "password": PASSWORD}


def sent(address: str, password: str = PASSWORD) -> dict[str, Any]:
    """Return a payload with credentials."""
    return {"credentials": [{"type": "registry", "url": address, "username": USER, "password": password}]}


def test_an_image_is_pulled_used_and_not_pulled_again(shop: Shop) -> None:
    """The lines are gitlab-runner's; what the image says of itself is known; containers can be made of it."""
    name = shop.offer("ruby:3", "EXPOSE 80", "USER app", 'ENTRYPOINT ["/bin/sh", "-e"]', "ENV A=b")

    def act(images: Images) -> tuple[Image, Image]:
        return images.use(name), images.use(name)

    first, second = shop.use(act)
    assert first == second
    digest = f"{shop.address}/ruby@sha256:"
    assert first.digest.startswith(digest)
    assert (first.exposed_ports, first.user, first.entrypoint) == (["80/tcp"], "app", ["/bin/sh", "-e"])
    assert "A=b" in first.env
    assert first.platform == "linux/amd64"
    effective = f"Using effective pull policy of [always] for container {name}"
    using = f"Using docker image {first.id} for {name} with digest {first.digest} ..."
    assert shop.lines() == [effective, f"Pulling docker image {name} ...", using, effective, using]
    made = shop.lab.api.create_container(first.reference, "true", labels=shop.lab.labels)
    assert shop.lab.api.inspect_container(made["Id"])["Image"] == first.id


def test_always_takes_what_the_registry_has_now(shop: Shop) -> None:
    """And ``if-not-present`` what is here."""
    name = shop.offer("moving:latest")
    before = shop.use(lambda images: images.use(name))
    shop.lab.api.tag(before.id, "pyrunner-test-keep", shop.lab.mark)
    shop.offer("moving:latest")
    shop.lab.api.tag(before.id, f"{shop.address}/moving", "latest")
    policy = {"pull_policy": ["if-not-present"]}
    assert shop.use(lambda images: images.use(name, key="local"), docker=policy).id == before.id
    assert shop.use(lambda images: images.use(name, key="again")).id != before.id


def test_no_tag_means_latest_also_behind_a_port(shop: Shop) -> None:
    """Other tags stay where they are."""
    shop.offer("img:other")
    shop.offer("img:latest")
    image = shop.use(lambda images: images.use(f"{shop.address}/img"))
    assert isinstance(image, Image)
    assert [one["RepoTags"] for one in shop.lab.api.images(f"{shop.address}/img")] == [
        [f"{shop.address}/img:latest"]
    ]


def test_a_missing_image_is_the_configurations_fault(shop: Shop) -> None:
    """With the engine's words."""
    error = shop.use(lambda images: images.use(f"{shop.address}/nowhere:1"))
    assert isinstance(error, BuildError)
    assert error.failure_reason == "runner_configuration_error"
    assert "Error response from daemon: " in str(error)
    assert "not found" in str(error)


def test_never_and_missing_is_a_plain_error(shop: Shop) -> None:
    """In the engine's words."""
    error = shop.use(lambda images: images.use("pyrunner-nowhere:1"), docker={"pull_policy": ["never"]})
    assert not isinstance(error, BuildError)
    assert "with specified policies [never]: Error response from daemon: " in str(error)
    assert str(error).endswith("No such image: pyrunner-nowhere:1")


def test_another_platform_than_the_registry_has(shop: Shop) -> None:
    """The engine is asked for it."""
    name = shop.offer("ruby:3")
    shop.use(lambda images: images.use(name, "linux/s390x"))
    assert shop.lines()[1] == f"Pulling docker image {name} for platform linux/s390x ..."
    assert isinstance(shop.use(lambda images: images.use(name, "x86_64", key="host")), Image)


def test_a_registry_that_is_not_there_is_tried_three_times(docker_lab: DockerLab, tmp_path: Path) -> None:
    """The engine's words about it are of the class that passes."""
    shop = Shop(docker_lab, tmp_path, "127.0.0.1:9")
    shop.life.watch.pause = lambda seconds, limits: time.sleep(min(seconds, 0.01))  # type: ignore[method-assign]
    error = shop.use(lambda images: images.use("127.0.0.1:9/x:1"))
    assert error.failure_reason == "runner_external_dependency_failure"
    assert len([one for one in shop.lines() if "retrying: " in one]) == 2


def test_without_credentials_the_door_is_shut(private: Shop) -> None:
    """The configuration's fault; with a wrong password, too."""
    name = private.offer("ruby:3", auth=AUTH)
    for payload in ({}, sent(private.address, "wrong")):
        act = partial(Images.use, name=name, key=f"try{len(payload)}")
        error = private.use(act, job=payload)
        assert error.failure_reason == "runner_configuration_error", str(error)
    assert "wrong" not in "\n".join(private.lines())


def test_credentials_of_the_payload_open_it(private: Shop) -> None:
    """And are told by their source."""
    name = private.offer("ruby:3", auth=AUTH)
    assert isinstance(private.use(lambda images: images.use(name), job=sent(private.address)), Image)
    assert private.lines()[1] == "Authenticating with credentials from job payload (GitLab Registry)"


def test_credentials_of_variable_and_home_open_it(private: Shop, tmp_path: Path) -> None:
    """In docker's format; the longer path wins over the earlier source."""
    name = private.offer("group/ruby:3", auth=AUTH)
    good = json.dumps({"auths": {f"{private.address}/group": AUTH}})
    bad = json.dumps({"auths": {private.address: {"username": "u", "password": "p"}}})
    (tmp_path / ".dockercfg").write_text(good)
    image = private.use(lambda images: images.use(name), tmp_path, auth_config=bad)
    assert isinstance(image, Image)
    assert private.lines()[1] == f"Authenticating with credentials from {tmp_path}/.dockercfg"
    private.lab.api.remove_image(image.id, force=True)
    image = private.use(lambda images: images.use(name, key="again"), auth_config=good)
    assert isinstance(image, Image)
    assert "Authenticating with credentials from $DOCKER_AUTH_CONFIG" in private.lines()


# --- pulls that last


def layers(method: str, path: str) -> bool:
    """Tell whether a request is for content."""
    return method == "GET" and "/blobs/" in path


def manifests(method: str, path: str) -> bool:
    """Tell whether a request is the first that an engine makes."""
    return "/manifests/" in path


class Job:
    """A job as a process of its own that pulls."""

    def __init__(self, shop: Shop, name: str, number: int) -> None:
        self.locks = shop.folder / "locks"
        self.life = JobLife(shop.folder / f"job-{number}")
        arguments = [str(self.life.control.path), str(self.locks), name]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.pull_process", *arguments],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )

    def waits(self) -> None:
        """Return when it has opened the file of its turn."""
        pause = threading.Event()
        while not any(".pull" in one for one in self._open_files()):
            assert self.process.poll() is None
            pause.wait(0.02)

    def _open_files(self) -> list[str]:
        folder = Path(f"/proc/{self.process.pid}/fd")
        found = []
        for one in folder.iterdir():
            try:
                found.append(os.readlink(one))
            except FileNotFoundError:
                continue
        return found

    def result(self) -> str:
        """Return what it printed."""
        return self.process.communicate(timeout=60)[0].decode()


def test_two_jobs_make_one_pull(shop: Shop) -> None:
    """Who comes meanwhile waits and takes what has come; the registry sees one pull."""
    proxy = StallingProxy(shop.address, layers)
    with proxy.serve() as address:
        name = shop.offer("ruby:3", at=address)
        since = int(time.time())
        first = Job(shop, name, 1)
        assert proxy.held.wait(60)
        second = Job(shop, name, 2)
        second.waits()
        proxy.released.set()
        assert first.result().startswith("sha256:")
        assert second.result() == shop.inspected(name)["Id"]
    blobs = [one for one in proxy.requests if "/blobs/" in one]
    assert len(blobs) == len(set(blobs))
    events = shop.lab.api.events(since, int(time.time()) + 1, {"event": "pull", "image": name}, decode=True)
    assert len(list(events)) == 1
    for job in (first, second):
        assert (
            COLOURS.sub(b"", job.life.trace()).decode().splitlines()[1] == f"Pulling docker image {name} ..."
        )
    assert list(first.locks.iterdir()) == []


def test_a_killed_job_leaves_its_turn(shop: Shop) -> None:
    """The engine gives the pull up, and who waited makes it."""
    proxy = StallingProxy(shop.address, layers)
    with proxy.serve() as address:
        name = shop.offer("ruby:3", at=address)
        first = Job(shop, name, 1)
        assert proxy.held.wait(60)
        second = Job(shop, name, 2)
        second.waits()
        first.process.send_signal(signal.SIGKILL)
        first.process.communicate()
        proxy.released.set()
        assert second.result() == shop.inspected(name)["Id"]


def cancelled(shop: Shop, proxy: StallingProxy, name: str) -> Any:
    """Cancel a job while the proxy holds what it pulls; returns what it ended with."""

    def cancel() -> None:
        if proxy.held.wait(60):
            shop.life.watch.stop = Stop(StopKind.CANCEL)

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        return shop.use(lambda images: images.use(name))
    finally:
        thread.join()


def test_a_cancelled_job_ends_its_pull(shop: Shop) -> None:
    """The engine goes away from the registry; nothing is told as a failure."""
    proxy = StallingProxy(shop.address, layers, trickles=True)
    with proxy.serve() as address:
        name = shop.offer("ruby:3", at=address)
        assert isinstance(cancelled(shop, proxy, name), StageStopped)
        assert proxy.left.wait(60)
    assert not [one for one in shop.lines() if "Failed" in one]
    assert shop.lab.api.images(name) == []


def test_a_cancelled_job_waits_for_no_registry(shop: Shop) -> None:
    """Also before the engine has answered a byte, and while the registry never does."""
    proxy = StallingProxy(shop.address, manifests)
    with proxy.serve() as address:
        name = shop.offer("ruby:3", at=address)
        assert isinstance(cancelled(shop, proxy, name), StageStopped)
        assert not proxy.released.is_set()
    assert not [one for one in shop.lines() if "Failed" in one]


def test_a_long_pull_tells_how_far_it_is(shop: Shop) -> None:
    """On a line of its own, after some seconds."""
    proxy = StallingProxy(shop.address, layers)
    with proxy.serve() as address:
        name = shop.offer("ruby:3", at=address)
        told = threading.Event()
        original = shop.life.watch.pause

        def look(seconds: float, limits: Any) -> None:
            original(seconds, limits)
            if f"Pulling {name}: 0 of 1 layers".encode() in shop.life.control.raw_log.read_bytes():
                told.set()
                proxy.released.set()

        shop.life.watch.pause = look  # type: ignore[method-assign]
        assert isinstance(shop.use(lambda images: images.use(name)), Image)
    assert told.is_set()
    assert shop.lines()[2] == f"Pulling {name}: 0 of 1 layers"
    assert shop.lines()[3].startswith("Using docker image")


# --- the helper image


@pytest.mark.parametrize("suffix", [".docker.tar.zst", ".tar.xz"])
def test_a_packaged_helper_image_is_loaded(docker_lab: DockerLab, tmp_path: Path, suffix: str) -> None:
    """Silently; an exported file system gets its entrypoint back."""
    shop = Shop(docker_lab, tmp_path, "")
    flavor = f"test{docker_lab.mark}"
    local = docker_lab.image("ENV HELPER=1", files={"data": os.urandom(100_000)})
    stem = tmp_path / f"prebuilt-{flavor}-x86_64"
    if suffix == ".tar.xz":
        made = docker_lab.api.create_container(local, "true", labels=docker_lab.labels)
        Path(f"{stem}{suffix}").write_bytes(lzma.compress(b"".join(docker_lab.api.export(made["Id"]))))
        docker_lab.api.remove_container(made["Id"])
    else:
        content = b"".join(docker_lab.api.get_image(local))
        Path(f"{stem}{suffix}").write_bytes(zstandard.ZstdCompressor().compress(content))
    docker_lab.api.remove_image(local, force=True)
    config = {"helper_image_flavor": flavor, "pull_policy": ["never"]}
    engine = Engine(Endpoint.of(docker_job().config, {}))
    name = default_name(engine.info, flavor)
    docker_lab._images.append(name)

    def act(images: Images) -> Image:
        return HelperImage(engine, docker_job(docker=config), images._report, images, [tmp_path]).get()

    image = shop.use(act)
    assert isinstance(image, Image), str(image)
    assert shop.inspected(name)["Id"] == image.id
    assert shop.lines() == []
    if suffix == ".tar.xz":
        assert image.entrypoint == ["/usr/bin/dumb-init", "/entrypoint"]
    else:
        assert "HELPER=1" in image.env
        docker_lab._images.append(local)
