"""Images and volumes on a real engine: what is ours and unused goes, nothing else (tristan-layout.md 7)."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.cli.engine_things import engine_things
from pyrunner.executors.docker.engine.connection import DEFAULT_HOST, Endpoint, Engine
from pyrunner.executors.docker.job import business_label
from pyrunner.executors.docker.labels import BUSINESS_LABEL, JOB_LABEL
from pyrunner.executors.docker.storage.stored import Stored, StoredThing
from pyrunner.jobdir.engine_records import EngineRecords, Thing
from pyrunner.manager.clean_up import CleanUp
from pyrunner.manager.clean_up_order import CleanUpOrder
from pyrunner.manager.retention import RetentionRules
from tests.support.docker import DockerLab
from tests.support.docker_jobs import output_of, place_docker_job
from tests.unit.manager.places import Place

pytestmark = [pytest.mark.integration, pytest.mark.docker]


class Bench:
    """A business's view of the engine."""

    def __init__(self, root: Path, lab: DockerLab) -> None:
        self.lab = lab
        self.business = str(root / "1")
        self.records = EngineRecords(root, DEFAULT_HOST)
        self.engine = Engine(Endpoint(DEFAULT_HOST))
        self.needed_since: float | None = None
        self.stored = Stored(self.engine, self.records, self.business, lambda: self.needed_since)

    def pulled(self, name: str = "") -> str:
        """Have an image that a job has pulled."""
        name = self.lab.image(name=name, files={"own": os.urandom(200_000)})
        self.records.made(Thing.IMAGE, name, self.business, self.id_of(name))
        return name

    def id_of(self, name: str) -> str:
        return str(self.lab.api.inspect_image(name)["Id"])  # type: ignore[no-untyped-call]

    def exists(self, name: str) -> bool:
        return bool(self.lab.api.images(name=name, quiet=True))

    def find(self) -> dict[str, StoredThing]:
        return {one.target: one for one in self.stored.find()}

    def volume(self, *labels: str) -> str:
        name = f"pyrunner-test-{self.lab.mark}-{len(labels)}"
        values = {BUSINESS_LABEL: business_label(self.business), JOB_LABEL: "job"}
        chosen = {key: values[key] for key in labels}
        self.lab.api.create_volume(name, labels={**self.lab.labels, **chosen})
        return name


@pytest.fixture
def bench(tmp_path: Path, docker_lab: DockerLab) -> Iterator[Bench]:
    bench = Bench(tmp_path, docker_lab)
    yield bench
    bench.engine.close()


def test_only_what_a_job_pulled(bench: Bench) -> None:
    """An image that was there before, or that another runner's job pulled, is not ours."""
    bench.lab.image()
    other = bench.lab.image()
    bench.records.made(Thing.IMAGE, other, "/another/business", bench.id_of(other))
    mine = bench.pulled()
    found = bench.find()
    assert list(found) == [mine]
    assert found[mine].size > 100_000
    assert bench.stored.remove(found[mine]) == ""
    assert not bench.exists(mine)
    assert bench.exists(other)
    assert bench.find() == {}


def test_what_a_container_uses_stays(bench: Bench) -> None:
    """The engine itself refuses, be the container stopped or not."""
    mine = bench.pulled()
    container = bench.lab.api.create_container(mine, ["true"], labels=bench.lab.labels)
    assert bench.stored.remove(bench.find()[mine]) == "a container uses it"
    assert bench.exists(mine)
    bench.lab.api.remove_container(container["Id"])
    assert bench.stored.remove(bench.find()[mine]) == ""


def test_a_name_that_became_somebody_else_s(bench: Bench) -> None:
    """When the name means another image now, that is not ours, however it came there."""
    mine = bench.pulled()
    found = bench.find()[mine]
    bench.lab.api.remove_image(mine, force=True)
    bench.lab.image("ENV SOMEBODY=else", name=mine)
    assert mine not in bench.find()
    assert bench.stored.remove(found) == "the name is somebody else's image now"
    assert bench.exists(mine)


def test_what_a_newer_pull_left_without_a_name(bench: Bench) -> None:
    """An older image of ours that a pull took the name from goes as well, by its id."""
    mine = bench.pulled()
    old = bench.id_of(mine)
    bench.lab.image("ENV NEWER=yes", name=mine)
    bench.records.made(Thing.IMAGE, mine, bench.business, bench.id_of(mine), was_there=True)
    found = bench.find()
    assert set(found) == {mine, old}
    assert bench.stored.remove(found[old]) == ""
    assert bench.exists(mine)
    assert set(bench.find()) == {mine}


def test_what_a_running_job_may_use_is_held(bench: Bench) -> None:
    """What was asked for since the oldest running job began is not offered, with or without a container."""
    mine = bench.pulled()
    used = bench.records.used_at(Thing.IMAGE, mine)
    assert used is not None
    for since, held in ((None, False), (used - 1, True), (used + 1, False)):
        bench.needed_since = since
        assert bench.find()[mine].held is held


def test_a_job_that_asks_meanwhile(bench: Bench) -> None:
    """Between look and removal a job has asked for the image: it stays."""
    mine = bench.pulled()
    found = bench.find()[mine]
    bench.records.using(Thing.IMAGE, mine)
    assert bench.stored.remove(found) == "a job has asked for it meanwhile"
    with bench.records.removing():
        assert bench.stored.remove(found) == "a job is asking for something"
    assert bench.exists(mine)


def test_volumes_with_our_label(bench: Bench) -> None:
    """Only volumes that our jobs shall find again; not one of a job, of others, or in a container."""
    stranger, ours, job_s = (
        bench.volume(),
        bench.volume(BUSINESS_LABEL),
        bench.volume(BUSINESS_LABEL, JOB_LABEL),
    )
    found = bench.find()
    assert ours in found
    assert not {stranger, job_s} & set(found)
    image = bench.lab.image()
    config = bench.lab.api.create_host_config(binds=[f"{ours}:/data"])
    container = bench.lab.api.create_container(image, ["true"], labels=bench.lab.labels, host_config=config)
    found = bench.find()
    assert found[ours].held
    assert bench.stored.remove(found[ours]) == "a container uses it"
    bench.lab.api.remove_container(container["Id"])
    assert bench.stored.remove(bench.find()[ours]) == ""
    names = {one["Name"] for one in bench.lab.api.volumes()["Volumes"]}
    assert ours not in names
    assert {stranger, job_s} <= names


def test_in_a_round_with_everything_else(tmp_path: Path, bench: Bench) -> None:
    """The whole way of ``pyrunner gc``: an image goes in its turn, by its last use."""
    place = Place(tmp_path)
    new = place.branch("new", 0)
    os.utime(new / "build")
    mine = bench.pulled()
    (file,) = (tmp_path / ".engine").glob("*.json")
    os.utime(file, (1_000_000_000, 1_000_000_000))
    size = bench.find()[mine].size
    order = CleanUpOrder(str(tmp_path), "1", RetentionRules(disk_budget=size), {})
    with engine_things(order, {}) as things:
        assert things is not None
        assert things.is_on(os.stat("/var/lib/docker").st_dev)
        result = CleanUp(order.business, things).run(order.rules)
    assert [(one.kind, one.name) for one in result.removed] == [("image", mine)]
    assert new.exists()
    assert not bench.exists(mine)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK leaves its socket
def test_an_engine_that_does_not_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Then its things are left out, and the rest is tidied up."""
    place = Place(tmp_path)
    place.branch("new", 1)
    docker = {"host": f"unix://{tmp_path}/none.sock"}
    order = CleanUpOrder(str(tmp_path), "1", RetentionRules(disk_budget=1), docker)
    with engine_things(order, {}) as things:
        result = CleanUp(order.business, things).run(order.rules)
    del things
    gc.collect()
    assert [one.kind for one in result.removed] == ["sources"]
    assert "images and volumes are left out" in caplog.text


def test_engines_elsewhere_are_not_asked(tmp_path: Path) -> None:
    """They fill another disk."""
    order = CleanUpOrder(str(tmp_path), "1", RetentionRules(disk_budget=1), {"host": "tcp://192.0.2.1:2376"})
    with engine_things(order, {}) as things:
        assert things is None


def test_jobs_with_libraries_of_their_own(tmp_path: Path, docker_lab: DockerLab) -> None:
    """In a container they are at /cache/dependency_lib, for every user, and the next job finds them."""
    job = place_docker_job(
        tmp_path,
        docker_lab,
        runner={"tristan": {"dependency_lib": True}},
        script=[
            'echo "$PIP_CACHE_DIR $GOCACHE"',
            'mkdir -p "$PIP_CACHE_DIR"',
            'echo kept > "$PIP_CACHE_DIR/x"',
        ],
    )
    assert job.finish().state == "success"
    assert output_of(job)[0] == "/cache/dependency_lib/python/pip /cache/dependency_lib/go/build"
    kept = list(
        job.folder.glob("root/1/cache/projects/*/*/unprotected-slots/slot1/dependency_lib/python/pip/x")
    )
    assert [one.read_text() for one in kept] == ["kept\n"]
