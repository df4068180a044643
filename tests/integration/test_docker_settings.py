"""Settings of the docker executor against a real engine: what it is told is what it does."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import EngineError, PyrunnerError
from pyrunner.executors.docker.container.arguments import create_arguments
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.job import DockerJob, business_label
from pyrunner.executors.docker.labels import BUSINESS_LABEL, JOB_LABEL, Role
from pyrunner.executors.docker.networks import make_network
from pyrunner.executors.docker.removal import remove_job, remove_leftovers
from pyrunner.executors.docker.storage.hostdirs import slot_cache
from pyrunner.executors.docker.storage.volumes import Volumes, open_from_here
from pyrunner.protocol.job import Image
from tests.support.docker import DockerLab
from tests.support.docker_jobs import docker_job

pytestmark = [pytest.mark.integration, pytest.mark.docker]

PER_BUILD = frozenset({"FF_NETWORK_PER_BUILD"})


@pytest.fixture
def engine(docker_lab: DockerLab) -> Iterator[Engine]:
    """A connection; what jobs of this test made is removed by the lab's business label."""
    one = Engine(Endpoint("unix:///var/run/docker.sock"))
    yield one
    one.close()


class Place:
    """Jobs of one business folder, and the removal of all that they made."""

    def __init__(self, root: Path, lab: DockerLab, engine: Engine) -> None:
        self.root = root
        self.lab = lab
        self.engine = engine
        self.image = lab.image()

    def job(self, number: int = 4711, **changes: Any) -> DockerJob:
        """Return a job that can only be this test's."""
        payload = {"id": number, "job_info": {"project_id": 7}, **changes.pop("job", {})}
        # Volumes and networks are named after the token.
        runner = {"token": f"glrt-{self.lab.mark}", **changes.pop("runner", {})}
        return docker_job(self.root, job=payload, runner=runner, **changes)

    @property
    def business(self) -> str:
        """Value of the business label."""
        return business_label(str(self.root / "1"))

    def create(
        self, job: DockerJob, role: Role = Role.BUILD, name: str = "", **request: Any
    ) -> dict[str, Any]:
        """Create a container and return what the engine says of it."""
        wanted = ContainerRequest(role, self.image, command=["sleep", "600"], **request)
        body = create_arguments(job, wanted, at_least=self.engine.at_least, warn=lambda _: None)
        body["Labels"].update(self.lab.labels)
        name = name or f"{job.name}-{self.lab.mark}-{role}"
        made = self.engine.call(
            lambda api: api.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        )
        return self.inspect(made["Id"])

    def start(self, container: dict[str, Any]) -> None:
        """Start a container."""
        self.engine.call(lambda api: api.start(container["Id"]))

    def inspect(self, container: str) -> dict[str, Any]:
        """Return what the engine says of a container."""
        found: dict[str, Any] = self.engine.call(lambda api: api.inspect_container(container))
        return found

    def exists(self, kind: str, name: str) -> bool:
        """Tell whether a container, volume or network is there."""
        try:
            self.engine.call(lambda api: getattr(api, f"inspect_{kind}")(name))
        except EngineError as error:
            if not error.not_found:
                raise
            return False
        return True


@pytest.fixture
def place(tmp_path: Path, docker_lab: DockerLab, engine: Engine) -> Iterator[Place]:
    """A business folder that nobody else can change; its things are removed after the test."""
    tmp_path.chmod(0o700)
    one = Place(tmp_path, docker_lab, engine)
    yield one
    assert remove_leftovers(engine, one.business, lambda marker: False) == []
    chosen = {"label": f"{BUSINESS_LABEL}={one.business}"}
    for volume in engine.call(lambda api: api.volumes(filters=chosen)).get("Volumes") or []:
        engine.call(lambda api, name=volume["Name"]: api.remove_volume(name, force=True))  # type: ignore[misc]


#: key of the file, value, path into the inspection, value there; for build containers.
SETTINGS: list[tuple[str, Any, str, Any]] = [
    ("memory", "64m", "HostConfig.Memory", 64 << 20),
    ("memory_reservation", "32m", "HostConfig.MemoryReservation", 32 << 20),
    ("cpus", "1/2", "HostConfig.NanoCpus", 500_000_000),
    ("cpu_shares", 512, "HostConfig.CpuShares", 512),
    ("cpuset_cpus", "0", "HostConfig.CpusetCpus", "0"),
    ("cpuset_mems", "0", "HostConfig.CpusetMems", "0"),
    # The parent that the engine would choose itself: any other would stay behind on this host.
    ("cgroup_parent", "/docker", "HostConfig.CgroupParent", "/docker"),
    ("oom_kill_disable", True, "HostConfig.OomKillDisable", True),
    ("oom_score_adjust", 500, "HostConfig.OomScoreAdj", 500),
    ("shm_size", 3 << 20, "HostConfig.ShmSize", 3 << 20),
    ("ulimit", {"nofile": "64:128"}, "HostConfig.Ulimits", [{"Name": "nofile", "Soft": 64, "Hard": 128}]),
    ("sysctls", {"net.ipv4.ip_forward": "1"}, "HostConfig.Sysctls", {"net.ipv4.ip_forward": "1"}),
    (
        "devices",
        ["/dev/null:/dev/nothing:r"],
        "HostConfig.Devices",
        [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/nothing", "CgroupPermissions": "r"}],
    ),
    ("device_cgroup_rules", ["c 1:3 mr"], "HostConfig.DeviceCgroupRules", ["c 1:3 mr"]),
    ("runtime", "runc", "HostConfig.Runtime", "runc"),
    ("isolation", "default", "HostConfig.Isolation", "default"),
    ("cap_add", ["NET_ADMIN"], "HostConfig.CapAdd", ["NET_ADMIN"]),
    ("cap_drop", ["CHOWN"], "HostConfig.CapDrop", ["CHOWN"]),
    ("group_add", ["7"], "HostConfig.GroupAdd", ["7"]),
    ("security_opt", ["no-new-privileges"], "HostConfig.SecurityOpt", ["no-new-privileges"]),
    ("userns_mode", "host", "HostConfig.UsernsMode", "host"),
    ("pid_mode", "host", "HostConfig.PidMode", "host"),
    ("ipcmode", "private", "HostConfig.IpcMode", "private"),
    ("network_mode", "", "HostConfig.NetworkMode", "default"),
    ("dns", ["9.9.9.9"], "HostConfig.Dns", ["9.9.9.9"]),
    ("dns_search", ["lan"], "HostConfig.DnsSearch", ["lan"]),
    ("extra_hosts", ["db:10.0.0.1"], "HostConfig.ExtraHosts", ["db:10.0.0.1"]),
    ("tmpfs", {"/run": "rw,size=1m"}, "HostConfig.Tmpfs", {"/run": "rw,size=1m"}),
    ("volume_driver", "local", "HostConfig.VolumeDriver", "local"),
    ("hostname", "box", "Config.Hostname", "box"),
    ("user", "1000:1000", "Config.User", "1000:1000"),
]


@pytest.mark.parametrize(("key", "value", "path", "expected"), SETTINGS, ids=[row[0] for row in SETTINGS])
def test_the_engine_takes_every_setting(place: Place, key: str, value: Any, path: str, expected: Any) -> None:
    """A container with the setting can be made, started, and has it."""
    if key == "cgroup_parent" and place.engine.info.get("CgroupDriver") != "cgroupfs":
        pytest.skip("systemd names cgroups in its own way")
    if key == "oom_kill_disable" and place.engine.info.get("CgroupVersion") == "2":
        pytest.skip("the second version of cgroups cannot do that")
    container = place.create(place.job(docker={key: value}))
    place.start(container)
    told: Any = place.inspect(container["Id"])
    for part in path.split("."):
        told = told[part]
    assert told == expected


def test_what_needs_more_than_this_machine_is_taken(place: Place) -> None:
    """Privileges and GPUs: the request is understood; nothing of it is started."""
    job = place.job(docker={"privileged": True, "gpus": "2"})
    host = place.create(job)["HostConfig"]
    assert host["Privileged"] is True
    (request,) = host["DeviceRequests"]
    assert (request["Count"], request["Capabilities"]) == (2, [["gpu"]])


def test_one_container_with_links_and_the_volumes_of_another(place: Place) -> None:
    """``links`` and ``volumes_from`` name containers of the host."""
    other = place.create(place.job(1), Role.SERVICE, binds=["/etc/hostname:/host/name:ro"])
    place.start(other)
    name = other["Name"].lstrip("/")
    docker = {"links": [f"{name}:db"], "volumes_from": [f"{name}:ro"]}
    container = place.create(place.job(docker=docker))
    place.start(container)
    found = place.inspect(container["Id"])
    assert found["HostConfig"]["Links"] == [f"/{name}:{container['Name']}/db"]
    assert [mount["Destination"] for mount in found["Mounts"]] == ["/host/name"]


def test_a_seccomp_profile_is_applied(place: Place) -> None:
    """Read here, it holds in the container."""
    profile = place.root / "profile.json"
    profile.write_text(
        '{"defaultAction": "SCMP_ACT_ALLOW", '
        '"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}'
    )
    container = place.create(place.job(docker={"security_opt": [f"seccomp={profile}"]}))
    place.start(container)
    assert _run(place, container, "mkdir /tmp/x")[0] != 0
    assert _run(place, container, "touch /tmp/x")[0] == 0


def test_init_comes_first(place: Place) -> None:
    """With the flag, the engine's init is process 1, and the command its child."""
    job = place.job(flags=frozenset({"FF_USE_INIT_WITH_DOCKER_EXECUTOR"}))
    container = place.create(job)
    assert container["HostConfig"]["Init"] is True


def test_the_log_of_a_build_container_is_kept_whole(place: Place) -> None:
    """Whatever the engine's own settings."""
    log = place.create(place.job(docker={"log_options": {"env": "A"}}))["HostConfig"]["LogConfig"]
    assert log == {
        "Type": "json-file",
        "Config": {"env": "A", "max-size": "1000000g", "max-file": "1", "mode": "blocking"},
    }


def test_user_and_entrypoint_of_the_job(place: Place) -> None:
    """They take the place of the image's."""
    definition = Image(entrypoint=["/bin/env"], executor_opts={"docker": {"user": 1000}})
    config = place.create(place.job(), definition=definition)["Config"]
    assert (config["Entrypoint"], config["User"], config["Tty"]) == (["/bin/env"], "1000", False)


def _run(place: Place, container: dict[str, Any], command: str) -> tuple[int, bytes]:
    """Run a shell line in a container; returns exit code and output."""

    def work(api: Any) -> tuple[int, bytes]:
        made = api.exec_create(container["Id"], ["sh", "-c", command])
        output = api.exec_start(made["Id"])
        return api.exec_inspect(made["Id"])["ExitCode"], output

    return place.engine.call(work)


# volumes


def _never(name: str) -> None:
    raise AssertionError(f"a container for {name}")


@pytest.mark.skipif(os.geteuid() != 0, reason="the engine's volumes are root's")
def test_every_user_of_an_image_can_write_to_every_mount(place: Place) -> None:
    """Build folder, slot cache and volumes: open without a container having opened them."""
    job = place.job(docker={"volumes": ["/data", "/cache"], "user": "1234:1234"})
    binds = Volumes(place.engine, job, _never).make()
    container = place.create(job, binds=binds)
    place.start(container)
    code, output = _run(
        place, container, "for d in /builds /cache /data; do mkdir $d/x && touch $d/x/y; done"
    )
    assert (code, output) == (0, b"")
    assert (Path(job.record.source) / "x" / "y").exists()
    assert (slot_cache(job.record) / "x" / "y").exists()


def test_a_reusable_volume_is_found_again(place: Place) -> None:
    """By the next job, with what is in it; a temporary one goes with its job."""
    docker = {"volumes": ["/data"]}
    first, second = place.job(1, docker=docker), place.job(2, docker=docker)
    name = Volumes(place.engine, first, lambda _: None).plan()[0].spec.source
    binds = Volumes(place.engine, first, lambda _: None).make()
    container = place.create(first, binds=binds)
    place.start(container)
    _run(place, container, "echo kept > /data/file")
    assert remove_job(place.engine, first.marker) == []
    assert place.exists("volume", name)
    container = place.create(second, binds=Volumes(place.engine, second, lambda _: None).make())
    place.start(container)
    assert _run(place, container, "cat /data/file") == (0, b"kept\n")


def test_temporary_volumes_are_the_jobs_own(place: Place) -> None:
    """Made again by a restarted supervisor they are the same; after the job they are gone."""
    job = place.job(docker={"volumes": ["/data"], "disable_cache": True})
    volumes = Volumes(place.engine, job, lambda _: None)
    assert volumes.make() == volumes.make()
    name = volumes.plan()[0].spec.source
    assert place.exists("volume", name)
    assert remove_job(place.engine, job.marker) == []
    assert not place.exists("volume", name)


def test_a_volume_of_somebody_else_is_not_used_as_ours(place: Place) -> None:
    """A temporary volume that is there without our label would bring strange files into the job."""
    job = place.job(docker={"volumes": ["/data"], "disable_cache": True})
    volumes = Volumes(place.engine, job, lambda _: None)
    name = volumes.plan()[0].spec.source
    place.engine.call(lambda api: api.create_volume(name, labels=place.lab.labels))
    with pytest.raises(PyrunnerError, match="is not this job's"):
        volumes.make()
    assert remove_job(place.engine, job.marker) == []
    assert place.exists("volume", name)


def test_volumes_that_cannot_be_opened_from_here_are_opened_by_a_container(place: Place) -> None:
    """With a driver's options nobody knows here where the files are; so elsewhere."""
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}
    job = place.job(docker={"volumes": ["/data"], "volume_driver_ops": options})
    asked: list[str] = []
    volumes = Volumes(place.engine, job, asked.append)
    volumes.make()
    assert asked == [volumes.plan()[0].spec.source]


@pytest.mark.skipif(os.geteuid() != 0, reason="the engine's volumes are root's")
def test_nothing_but_the_root_of_a_volume_is_opened(place: Place, tmp_path: Path) -> None:
    """Not another folder that the answer names, and not what a link leads to."""
    name = f"pyrunner-test-{place.lab.mark}"
    volume: dict[str, Any] = place.engine.call(lambda api: api.create_volume(name, labels=place.lab.labels))
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    assert not open_from_here({**volume, "Mountpoint": str(other)}, place.engine)
    assert not open_from_here({**volume, "Driver": "nfs"}, place.engine)
    mountpoint = Path(volume["Mountpoint"])
    mountpoint.rmdir()
    mountpoint.symlink_to(other)
    try:
        assert not open_from_here(volume, place.engine)
    finally:
        mountpoint.unlink()
        mountpoint.mkdir(mode=0o755)
    assert stat.S_IMODE(other.stat().st_mode) == 0o700
    assert open_from_here(volume, place.engine)
    assert stat.S_IMODE(mountpoint.stat().st_mode) == 0o777


def test_a_cache_dir_of_the_host(place: Place) -> None:
    """Its folders are made, open to containers inside and to nobody outside."""
    job = place.job(docker={"volumes": ["/cache"], "cache_dir": str(place.root / "keep")})
    bind = Volumes(place.engine, job, _never).make()[0]
    folder = Path(bind.partition(":")[0])
    assert folder.parent.parent == place.root / "keep"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


# networks


def test_a_network_for_each_job(place: Place) -> None:
    """With aliases, the wanted MTU and labels; found again, and gone with the job."""
    job = place.job(flags=PER_BUILD, docker={"network_mtu": 1400})
    network = make_network(place.engine, job)
    assert network.own
    assert network.has_names
    assert make_network(place.engine, job) == network
    found: dict[str, Any] = place.engine.call(lambda api: api.inspect_network(network.mode))
    assert found["Options"] == {"com.docker.network.driver.mtu": "1400"}
    assert found["Labels"][JOB_LABEL] == job.marker
    server = place.create(job, Role.SERVICE, network=network.mode, aliases=["db"])
    client = place.create(job, network=network.mode, aliases=["build"])
    for one in (server, client):
        place.start(one)
    assert _run(place, client, "ping -c 1 -W 5 db")[0] == 0
    assert _run(place, server, "ping -c 1 -W 5 build")[0] == 0
    assert remove_job(place.engine, job.marker) == []
    assert not place.exists("network", network.mode)


def test_no_network_of_its_own(place: Place) -> None:
    """Without the flag, or with a mode in the file, nothing is made."""
    assert make_network(place.engine, place.job()).mode == ""
    for mode, names in (("host", False), ("bridge", False), ("container:x", False), ("ci", True)):
        network = make_network(place.engine, place.job(flags=PER_BUILD, docker={"network_mode": mode}))
        assert (network.mode, network.own, network.has_names) == (mode, False, names)


def test_what_a_lost_job_left_under_the_networks_name_is_replaced(place: Place) -> None:
    """Its id came again; what has not our label stays, and is an error."""
    job = place.job(flags=PER_BUILD)
    name = make_network(place.engine, job).mode
    place.engine.call(lambda api: api.remove_network(name))
    lost = {**place.lab.labels, BUSINESS_LABEL: place.business, JOB_LABEL: "job-lost"}
    place.engine.call(lambda api: api.create_network(name, labels=lost))
    assert make_network(place.engine, job).mode == name
    found: dict[str, Any] = place.engine.call(lambda api: api.inspect_network(name))
    assert found["Labels"][JOB_LABEL] == job.marker
    place.engine.call(lambda api: api.remove_network(name))
    place.engine.call(lambda api: api.create_network(name, labels=place.lab.labels))
    with pytest.raises(EngineError, match="already exists"):
        make_network(place.engine, job)


# removal


def test_everything_of_a_job_goes_and_nothing_else(place: Place) -> None:
    """Containers that run, networks with guests on them, volumes; another job's things and strangers stay."""
    mine, other = (place.job(number, flags=PER_BUILD) for number in (1, 2))
    network = make_network(place.engine, mine).mode
    running = place.create(mine, network=network, aliases=["build"])
    place.start(running)
    idle = place.create(mine, Role.SERVICE)
    neighbour = place.create(other)
    place.start(neighbour)
    made: dict[str, Any] = place.engine.call(
        lambda api: api.create_container(
            place.image,
            ["sleep", "600"],
            labels=place.lab.labels,
            host_config=api.create_host_config(network_mode=network),
        )
    )
    stranger = place.inspect(made["Id"])
    place.start(stranger)
    said: list[tuple[str, str]] = []
    assert remove_job(place.engine, mine.marker, say=lambda level, text: said.append((level, text))) == []
    name = running["Name"].lstrip("/")
    assert said == [("info", f"Container {name} disconnected from network {network}")]
    for one in (running, idle):
        assert not place.exists("container", one["Id"])
    assert not place.exists("network", network)
    for one in (neighbour, stranger):
        assert place.inspect(one["Id"])["State"]["Running"]
    assert remove_job(place.engine, mine.marker) == []


@pytest.mark.parametrize("keep", [False, True])
def test_anonymous_volumes_go_with_their_container(place: Place, keep: bool) -> None:
    """Unless ``volume_keep`` says otherwise."""
    place.image = place.lab.image("VOLUME /anonymous")
    job = place.job()
    (mount,) = place.create(job)["Mounts"]
    assert remove_job(place.engine, job.marker, keep_volumes=keep) == []
    assert place.exists("volume", mount["Name"]) is keep
    if keep:
        place.engine.call(lambda api: api.remove_volume(mount["Name"]))


def test_leftovers_are_those_that_nobody_wants(place: Place) -> None:
    """Of this business only, and only with a job's label: a reusable volume is no leftover."""
    docker = {"volumes": ["/data"]}
    wanted, unwanted = (place.job(number, docker=docker, flags=PER_BUILD) for number in (1, 2))
    reusable = Volumes(place.engine, wanted, lambda _: None).make()[0].partition(":")[0]
    temporary = Volumes(
        place.engine, place.job(2, docker={**docker, "disable_cache": True}), lambda _: None
    ).make()[0]
    kept, gone = place.create(wanted), place.create(unwanted)
    networks = [make_network(place.engine, job).mode for job in (wanted, unwanted)]
    asked: list[str] = []

    def is_wanted(marker: str) -> bool:
        asked.append(marker)
        return marker == wanted.marker

    assert remove_leftovers(place.engine, business_label("/another/business"), lambda _: False) == []
    assert place.exists("container", gone["Id"])
    assert remove_leftovers(place.engine, place.business, is_wanted) == []
    assert sorted(asked) == sorted({wanted.marker, unwanted.marker})
    assert place.exists("container", kept["Id"])
    assert not place.exists("container", gone["Id"])
    assert [place.exists("network", one) for one in networks] == [True, False]
    assert not place.exists("volume", temporary.partition(":")[0])
    assert place.exists("volume", reusable)


def test_no_marker_chooses_nothing(place: Place) -> None:
    """An empty value would choose everything that has the label."""
    container = place.create(place.job())
    assert remove_job(place.engine, "") == []
    assert place.exists("container", container["Id"])
