"""Services on a real daemon: one that answers, one that does not, ends, talks (docker-executor.md 5)."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pyrunner.build.report import JobReport
from pyrunner.errors import BuildError, EngineError, PyrunnerError
from pyrunner.executors.base import StageStopped, Stop, StopKind
from pyrunner.executors.docker.container.arguments import create_arguments
from pyrunner.executors.docker.container.request import ContainerRequest
from pyrunner.executors.docker.engine.connection import DEFAULT_HOST, Endpoint, Engine
from pyrunner.executors.docker.services.job_services import Services, ServiceSettings
from pyrunner.protocol.states import FailureReason
from pyrunner.system.lock import is_held
from pyrunner.system.process import ProcessIdentity
from pyrunner.trace.rawlog import RawLog
from tests.support.docker import DockerLab
from tests.support.docker_jobs import containers_of, docker_job, output_of, place_docker_job
from tests.support.job_reports import JobLife

pytestmark = [pytest.mark.integration, pytest.mark.docker]

TIMES = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
PATIENCE = 30.0


@dataclass(frozen=True)
class LocalImage:
    """An image that is there."""

    reference: str
    platform: str = ""


@dataclass
class LocalImages:
    """Images that are there, with a line that says so."""

    report: JobReport

    def allow(self, name: str, kind: str) -> None:
        """Allow all."""

    def use(self, name: str, platform: str = "", requested: Any = (), key: str = "") -> LocalImage:
        """Return an image."""
        self.report.plain(f"Using docker image {name}")
        return LocalImage(name)


@dataclass
class Bench:
    """One job with services, and its supervisors."""

    lab: DockerLab
    folder: Path
    settings: ServiceSettings = field(default_factory=ServiceSettings)
    docker: dict[str, Any] = field(default_factory=dict)
    debug: bool = False
    services: list[dict[str, Any]] = field(default_factory=list)
    check_image: Callable[[], str] = lambda: pytest.fail("no check container is needed here")
    endpoint: Endpoint = field(default_factory=lambda: Endpoint(DEFAULT_HOST))
    #: What this bench takes for the names of its containers.
    job_id: int = 0

    def __post_init__(self) -> None:
        self.job_id = int(self.lab.mark, 16)
        self.life = JobLife(self.folder / f"1/build/{self.job_id}")

    @property
    def name(self) -> str:
        """What the names of its containers begin with."""
        return f"execute_1_3_{self.job_id}"

    @contextmanager
    def supervisor(self, fatal: str = "") -> Iterator[tuple[Services, JobReport, RawLog]]:
        """Begin, or begin again after the death of the one before.

        :param fatal: the journal's step at which this one is killed.
        """
        job = docker_job(
            self.folder,
            docker={"wait_for_services_timeout": 10, **self.docker},
            job={"id": self.job_id, "services": self.services},
            variables={"SECRET": "s3cret"},
            debug_services=self.debug,
        )
        engine = Engine(self.endpoint)
        with self.life.supervisor(fatal) as (report, raw_log):

            def create(request: ContainerRequest) -> dict[str, Any]:
                body = create_arguments(job, request, at_least=engine.at_least, warn=report.warning)
                body["Labels"].update(self.lab.labels)
                return body

            images = LocalImages(report)
            services = Services(engine, job, report, raw_log, images, create, self.check_image, self.settings)
            try:
                yield services, report, raw_log
            finally:
                engine.close()

    def run(self) -> Services:
        """Start the services under one supervisor, which is dead when this returns."""
        with self.supervisor() as (services, _, _):
            services.start()
        return services

    def lines(self) -> list[str]:
        """Return the trace, times and colours of plain lines left out."""
        text = TIMES.sub(b"<time>", self.life.trace())
        return re.sub(rb"^\x1b\[0K(.*)\x1b\[0;m$", rb"\1", text, flags=re.MULTILINE).decode().split("\n")

    def inspect(self, index: int) -> dict[str, Any]:
        """Return what the daemon knows of a service."""
        found: dict[str, Any] = self.lab.api.inspect_container(f"{self.name}_svc{index}")
        return found


@pytest.fixture
def bench(docker_lab: DockerLab, tmp_path: Path) -> Bench:
    """A job without services."""
    return Bench(docker_lab, tmp_path)


#: Serves ``/www``, which holds ``hello`` in the images of tests that fetch it.
HTTPD = ["httpd", "-f", "-p", "8080", "-h", "/www"]


def test_two_services_that_answer(bench: Bench) -> None:
    """They are named by slot and index, started, waited for, and linked by aliases and short id."""
    image = bench.lab.image("EXPOSE 8080")
    bench.services = [
        {"name": image, "alias": "web,site", "command": HTTPD},
        {"name": image, "alias": "late", "command": ["sh", "-c", "sleep 1; exec " + " ".join(HTTPD)]},
    ]
    services = bench.run()
    first, second = services.containers()
    repository = image.partition(":")[0]
    assert (first.name, second.name) == (f"{bench.name}_svc0", f"{bench.name}_svc1")
    assert [one.aliases for one in (first, second)] == [
        [repository.replace("/", "__"), repository.replace("/", "-"), "web", "site"],
        ["late"],
    ]
    assert first.ports == [8080]
    assert f"web:{first.ips[0]}" in services.links
    assert f"{second.short_id}:{second.ips[0]}" in services.links
    warned = [repository.replace("/", "__"), repository.replace("/", "-")]
    assert bench.lines() == [
        f"Starting service {image}...",
        f"Using docker image {image}",
        *[
            f'\x1b[0;33mWARNING: Skipping alias "{one}" for service "{image}" (services[1]): '
            "alias is already in use by another service.\x1b[0;m"
            for one in warned
        ],
        f"Starting service {image}...",
        f"Using docker image {image}",
        "Waiting for services to be up and running (timeout 10 seconds)...",
        "",
    ]


def test_what_a_service_container_is_made_of(bench: Bench) -> None:
    """Its own variables, command, entrypoint, user, labels, binds; no host name; nothing secret unasked."""
    image = bench.lab.image()
    shared = bench.folder / "shared"
    shared.mkdir()
    bench.docker = {"wait_for_services_timeout": -1}
    bench.settings = ServiceSettings(binds=[f"{shared}:/builds"])
    bench.services = [
        {
            "name": image,
            "alias": "one",
            "entrypoint": ["/bin/sleep"],
            "command": ["1000"],
            "variables": [{"key": "PASSWORD", "value": "$SECRET!"}],
            "executor_opts": {"docker": {"user": 1000}},
        }
    ]
    bench.run()
    found = bench.inspect(0)
    config = found["Config"]
    assert config["Entrypoint"] == ["/bin/sleep"]
    assert config["Cmd"] == ["1000"]
    assert config["User"] == "1000"
    assert "PASSWORD=s3cret!" in config["Env"]
    assert not [one for one in config["Env"] if one.startswith("SECRET=")]
    assert "CI_PROJECT_PATH=group/app" in config["Env"]
    assert config["Hostname"] == found["Id"][:12]
    assert found["HostConfig"]["Binds"] == [f"{shared}:/builds"]
    assert config["Labels"]["com.gitlab.gitlab-runner.type"] == "service"
    assert config["Labels"]["com.gitlab.gitlab-runner.service"] == image.partition(":")[0]
    assert config["Labels"]["com.gitlab.gitlab-runner.service.version"] == "0"
    assert "Waiting for services" not in "\n".join(bench.lines())


def test_a_service_on_a_network_of_its_own_kind(bench: Bench) -> None:
    """There it has all its aliases, and is asked from this host as on the default bridge."""
    network = f"pyrunner-test-{bench.lab.mark}"
    bench.lab.api.create_network(network, driver="bridge", labels=bench.lab.labels)
    image = bench.lab.image("EXPOSE 8080")
    bench.settings = ServiceSettings(network=network)
    bench.services = [{"name": image, "alias": "web", "command": HTTPD}]
    services = bench.run()
    endpoint = bench.inspect(0)["NetworkSettings"]["Networks"][network]
    assert "web" in endpoint["Aliases"]
    assert services.containers()[0].ips == [endpoint["IPAddress"]]
    assert bench.lines()[-2].startswith("Waiting for services")


def test_the_warning_about_a_service_that_does_not_answer(bench: Bench) -> None:
    """The whole block, line by line; the job goes on."""
    image = bench.lab.image("EXPOSE 8080 9090")
    bench.docker = {"wait_for_services_timeout": 2}
    script = "echo starting; echo trouble >&2; exec sleep 1000"
    bench.services = [{"name": image, "alias": "web", "command": ["sh", "-c", script]}]
    services = bench.run()
    name, short = f"{bench.name}_svc0", services.containers()[0].short_id
    block = bench.lines()[3:]
    logs = block[block.index("Service container logs:") + 1 :][:2]
    dials = [one for one in block if "dialing" in one]
    assert block == [
        "",
        f"\x1b[0;33m*** WARNING:\x1b[0;m Service {name} probably didn't start properly.",
        "",
        "Health check error:",
        f'service "{name}-wait-for-service" timeout',
        "",
        "Health check container logs:",
        f"<time> waiting for TCP connection to {short} on [8080 9090]...",
        *dials,
        "",
        "Service container logs:",
        *logs,
        "",
        "\x1b[0;33m*********\x1b[0;m",
        "",
        "",
    ]
    # Two streams have no order between them.
    assert sorted(logs) == ["<time> starting", "<time> trouble"]
    assert dials[:2] == [f"<time> dialing {short}:{port}..." for port in (8080, 9090)]
    assert len(dials) in (4, 6)


def test_services_that_end_at_once_or_have_no_ports(bench: Bench) -> None:
    """Both are no error; each is told of in the order of the services, without waiting for nothing."""
    image = bench.lab.image()
    bench.docker = {"wait_for_services_timeout": 25}
    bench.services = [
        {"name": image, "alias": "gone", "command": ["sh", "-c", "echo bye; exit 3"]},
        {
            "name": image,
            "alias": "quitter",
            "command": ["sh", "-c", "echo hello; sleep 2; exit 4"],
            "variables": [{"key": "healthcheck_tcp_port", "value": "80"}],
        },
    ]
    began = time.monotonic()
    bench.run()
    assert time.monotonic() - began < 20
    lines = bench.lines()
    errors = [lines[at + 1] for at, one in enumerate(lines) if one == "Health check error:"]
    assert errors == [
        f'service "{bench.name}_svc0" has no exposed ports',
        f'service "{bench.name}_svc1-wait-for-service" health check: the service has ended with exit code 4',
    ]
    assert "<time> bye" in lines
    assert lines.count("Health check container logs:") == 1


def test_a_bad_port_variable_is_a_plain_error(bench: Bench) -> None:
    """It fails the preparation, which is tried again."""
    bench.services = [
        {
            "name": bench.lab.image(),
            "alias": "x",
            "command": ["sleep", "1000"],
            "variables": [{"key": "HEALTHCHECK_TCP_PORT", "value": "http"}],
        }
    ]
    with pytest.raises(PyrunnerError, match="invalid health check tcp port: http") as error:
        bench.run()
    assert not isinstance(error.value, BuildError)


def test_what_the_daemon_does_not_understand_is_a_configuration_error(bench: Bench) -> None:
    """An environment entry without a name; preparing again would not help."""
    bench.services = [{"name": bench.lab.image(), "variables": [{"key": "", "value": "x"}]}]
    with pytest.raises(BuildError) as error:
        bench.run()
    assert error.value.failure_reason == FailureReason.CONFIGURATION_ERROR


def test_a_program_that_is_not_there_is_a_plain_error(bench: Bench) -> None:
    """All others have been tried, too; the first error counts."""
    image = bench.lab.image()
    bench.services = [
        {"name": image, "alias": "a", "command": ["/no/such/program"]},
        {"name": image, "alias": "b", "command": ["sleep", "1000"]},
    ]
    with pytest.raises(EngineError, match="/no/such/program"):
        bench.run()
    assert bench.inspect(1)["State"]["Running"]


def test_a_foreign_container_of_that_name_is_left_alone(bench: Bench) -> None:
    """What is not ours is never removed; the error says what to do."""
    image = bench.lab.image()
    bench.services = [{"name": image, "alias": "x"}]
    foreign = bench.lab.api.create_container(
        image, ["sleep", "1"], name=f"{bench.name}_svc0", labels=bench.lab.labels
    )
    with pytest.raises(PyrunnerError, match="remove or rename it"):
        bench.run()
    assert bench.inspect(0)["Id"] == foreign["Id"]


def test_a_leftover_of_this_business_is_replaced(bench: Bench) -> None:
    """A container of a former job under the same name goes."""
    image = bench.lab.image()
    bench.docker = {"wait_for_services_timeout": -1}
    bench.services = [{"name": image, "alias": "x", "command": ["sleep", "1000"]}]
    first = bench.run().containers()[0]
    bench.lab.api.rename(first.id, f"{bench.name}_svc9")
    labels = {**bench.inspect(9)["Config"]["Labels"], "com.pyrunner.job": "another"}
    old = bench.lab.api.create_container(image, ["sleep", "1"], name=f"{bench.name}_svc0", labels=labels)
    other = Bench(bench.lab, bench.folder / "second", docker=bench.docker, services=bench.services)
    with pytest.raises(PyrunnerError, match="remove or rename it"):
        other.run()  # of another business folder
    bench.life.control.state.unlink()
    assert bench.run().containers()[0].id != old["Id"]


@pytest.mark.parametrize("fatal", ["services", "services.checked.1", "services.checked"])
def test_a_restarted_supervisor_takes_over(bench: Bench, fatal: str) -> None:
    """What is in the journal is not done again; what is there without being in it is taken over."""
    image = bench.lab.image("EXPOSE 8080")
    bench.docker = {"wait_for_services_timeout": 1}
    bench.services = [
        {"name": image, "alias": "mute", "command": ["sleep", "1000"]},
        {"name": image, "alias": "web", "command": HTTPD},
        {"name": image, "alias": "deaf", "command": ["sleep", "1000"]},
    ]
    with bench.supervisor(fatal) as (services, _, _):
        services.start()
    before = [bench.inspect(index)["Id"] for index in range(3)]
    bench.run()
    again = bench.run()
    assert [one.id for one in again.containers()] == before
    lines = bench.lines()
    for text in ("Starting service", "Waiting for services"):
        assert len([one for one in lines if one.startswith(text)]) == (3 if text.startswith("Start") else 1)
    warned = [one.partition(" Service ")[2].partition(" ")[0] for one in lines if "*** WARNING" in one]
    assert warned == [f"{bench.name}_svc0", f"{bench.name}_svc2"]


def test_a_stopped_job_does_not_wait_for_services(bench: Bench) -> None:
    """Cancel ends the wait within a second."""
    image = bench.lab.image("EXPOSE 8080")
    bench.docker = {"wait_for_services_timeout": 60}
    bench.services = [{"name": image, "alias": "x", "command": ["sleep", "1000"]}]
    bench.life.watch.stop = None
    with bench.supervisor() as (services, report, _):
        plain = report.plain

        def then_cancel(text: str) -> None:
            plain(text)
            if text.startswith("Waiting"):
                bench.life.watch.stop = Stop(StopKind.CANCEL)

        report.plain = then_cancel  # type: ignore[method-assign]
        began = time.monotonic()
        with pytest.raises(StageStopped):
            services.start()
        assert time.monotonic() - began < 20


# The check container


def helper(lab: DockerLab, script: str) -> str:
    """Return an image with a ``gitlab-runner-helper`` that is a script."""
    return lab.image(files={"bin/gitlab-runner-helper": f"#!/bin/sh\n{script}\n".encode()})


CHECK = """
echo "waiting for $WAIT_FOR_SERVICE_TCP_ADDR ($*)"
until wget -q -O /dev/null "http://$WAIT_FOR_SERVICE_TCP_ADDR:$WAIT_FOR_SERVICE_8080_TCP_PORT/hello"
do sleep 0.2
done
"""


class Remote(Endpoint):
    """A daemon whose networks this host does not see."""

    @property
    def local(self) -> bool:
        """It is not, as far as the executor can tell."""
        return False


def test_a_check_container_asks_where_this_host_cannot(bench: Bench) -> None:
    """It finds the service by its short id, and is removed."""
    image = bench.lab.image("EXPOSE 8080", files={"www/hello": b"hello"})
    check = helper(bench.lab, CHECK)
    bench.endpoint = Remote(DEFAULT_HOST)
    bench.check_image = lambda: check
    bench.services = [{"name": image, "alias": "web", "command": HTTPD}]
    bench.run()
    assert bench.lines()[-2].startswith("Waiting for services")
    assert [one["Names"] for one in bench.lab.containers()] == [[f"/{bench.name}_svc0"]]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("echo no >&2; exit 7", "health check: exit code 7"),
        ("echo no; exec sleep 1000", "timeout"),
    ],
)
def test_a_check_container_that_fails(bench: Bench, script: str, error: str) -> None:
    """Its exit code or the time-out is the error, its log is shown."""
    check = helper(bench.lab, script)
    bench.endpoint = Remote(DEFAULT_HOST)
    bench.check_image = lambda: check
    bench.docker = {"wait_for_services_timeout": 2}
    bench.services = [
        {"name": bench.lab.image("EXPOSE 8080"), "alias": "web", "command": ["sleep", "1000"]},
    ]
    bench.run()
    lines = bench.lines()
    at = lines.index("Health check error:")
    assert lines[at + 1 : at + 5] == [
        f'service "{bench.name}_svc0-wait-for-service" {error}',
        "",
        "Health check container logs:",
        "<time> no",
    ]
    assert len(bench.lab.containers()) == 1


def test_without_a_helper_image_there_is_a_warning(bench: Bench) -> None:
    """The job goes on without a check."""

    def none() -> str:
        raise PyrunnerError("no helper image")

    bench.endpoint = Remote(DEFAULT_HOST)
    bench.check_image = none
    bench.docker = {"wait_for_services_timeout": 1}
    bench.services = [
        {"name": bench.lab.image("EXPOSE 8080"), "alias": "web", "command": ["sleep", "1000"]},
    ]
    bench.run()
    lines = bench.lines()
    assert lines[lines.index("Health check error:") + 1] == "getPrebuiltImage: no helper image"
    assert "Health check container logs:" not in lines


# CI_DEBUG_SERVICES


def until(services: Services, told: Callable[[], bool]) -> None:
    """Move output until it is there."""
    ends = time.monotonic() + PATIENCE
    while not told():
        assert time.monotonic() < ends
        services.output.drain()
        time.sleep(0.02)


def pump_of(bench: Bench) -> ProcessIdentity:
    """Return the pump that was started last."""
    claims = sorted(bench.life.control.path.glob("claim.61440*"), key=lambda one: one.stat().st_mtime_ns)
    return ProcessIdentity.from_dict(json.loads(claims[-1].read_text()))


def service_lines(bench: Bench) -> list[str]:
    """Return the whole lines of the service in the trace, without times."""
    prefix = b"\x1b[0;37m[service:"
    text = TIMES.sub(b"<time>", bench.life.trace())
    return [one.decode() for one in text.split(b"\n")[:-1] if one.startswith(prefix)]


def count_lines(bench: Bench) -> int:
    """Return how many lines of the service are in the raw log."""
    return bench.life.control.raw_log.read_bytes().count(b"[service:")


def debug(bench: Bench, script: str) -> None:
    """Let the job have one service that runs ``script``, its output in the trace."""
    bench.debug = True
    bench.docker = {"wait_for_services_timeout": -1}
    bench.services = [{"name": bench.lab.image(name=f"talker:{bench.lab.mark}"), "alias": "talk"}]
    bench.services[0]["command"] = ["sh", "-c", script]


def test_output_of_services_is_in_the_trace(bench: Bench) -> None:
    """Every line in its form, on stream 0f, until the container is gone; then no pump is left."""
    debug(bench, "echo one; echo two >&2; printf three; exec sleep 1000")
    with bench.supervisor() as (services, _, _):
        services.start()
        # A part of a line is only passed on by the engine when the line or the container ends.
        until(services, lambda: count_lines(bench) >= 2)
        bench.lab.api.stop(services.containers()[0].id, timeout=0)
        services.close()
        services.close()
    lines = service_lines(bench)
    assert sorted(lines) == [
        f"\x1b[0;37m[service:talker-talk] <time> {text}\x1b[0;m" for text in ("one", "three", "two")
    ]
    stamped = [one for one in bench.life.trace(timestamps=True).split(b"\n") if b"[service:" in one]
    assert len(stamped) == 3
    assert all(re.match(rb"\d{4}-\d\d-\d\dT[\d:.]{15}Z 0fO \x1b", one) for one in stamped)
    assert not list(bench.life.control.path.glob("out.*"))
    assert pump_of(bench).wait(PATIENCE)


def test_without_the_variable_there_is_no_pump(bench: Bench) -> None:
    """Nothing is followed, nothing is to be moved."""
    debug(bench, "echo one; exec sleep 1000")
    bench.debug = False
    with bench.supervisor() as (services, _, _):
        services.start()
        assert services.output.fds == []
        assert not services.output.drain()
        services.close()
    assert not list(bench.life.control.path.glob("claim.*"))


NUMBERS = "i=0; while [ $i -lt 3000 ]; do echo line $i; echo more $i >&2; i=$((i+1)); done; exec sleep 1000"


def numbered(bench: Bench) -> tuple[list[int], list[int]]:
    """Return the numbers of both streams as they are in the trace."""
    texts = [one.partition("<time> ")[2].removesuffix("\x1b[0;m").split() for one in service_lines(bench)]
    return tuple([int(value) for word, value in texts if word == kind] for kind in ("line", "more"))  # type: ignore[return-value]


def test_supervisors_and_pumps_may_be_killed(bench: Bench) -> None:
    """Again and again, at any line: nothing is lost, nothing is doubled, each stream in its order."""
    debug(bench, NUMBERS)
    wanted = 0
    for life in range(8):
        with bench.supervisor() as (services, _, _):
            services.start()
            wanted += 700
            until(services, lambda wanted=wanted: count_lines(bench) >= min(wanted, 6000))  # type: ignore[misc]
            # A pump that was just forked has not said yet who it is.
            until(services, lambda: pump_of(bench).alive())
            if life % 2:
                pump_of(bench).send(signal.SIGKILL)
                assert pump_of(bench).wait(PATIENCE)
    with bench.supervisor() as (services, _, _):
        services.start()
        until(services, lambda: count_lines(bench) >= 6000)
        # A pump that dies under a living supervisor is replaced.
        until(services, lambda: pump_of(bench).alive())
        last = pump_of(bench)
        last.send(signal.SIGKILL)
        until(services, lambda: pump_of(bench) != last)
        bench.lab.api.remove_container(services.containers()[0].id, force=True)
        services.close()
    assert numbered(bench) == (list(range(3000)), list(range(3000)))


def test_a_supervisor_that_comes_back_late_finds_all(bench: Bench) -> None:
    """The pump waits with what it has read, also when the container is gone meanwhile."""
    debug(bench, "echo one; echo two")
    with bench.supervisor() as (services, _, _):
        services.start()
    files = list(bench.life.control.path.glob("wlock.61440*"))
    exits = bench.life.control.path
    ends = time.monotonic() + PATIENCE
    while not list(exits.glob("exit.61440*")):
        assert time.monotonic() < ends
        time.sleep(0.02)
    assert all(is_held(one) for one in files)
    bench.lab.api.remove_container(services.containers()[0].id, force=True)
    with bench.supervisor() as (services, _, _):
        services.start()
        services.close()
    assert [one.partition("<time> ")[2] for one in service_lines(bench)] == ["one\x1b[0;m", "two\x1b[0;m"]


def test_a_pump_ends_with_the_job(bench: Bench) -> None:
    """When the job's working files go, nobody will collect any more."""
    debug(bench, "yes")
    with bench.supervisor() as (services, _, _):
        services.start()
        until(services, lambda: bench.life.control.raw_log.stat().st_size > 100_000)
    pump = pump_of(bench)
    assert pump.alive()
    bench.life.control.drop_working_files()
    assert pump.wait(PATIENCE)


def test_a_closed_output_ends_pumps_of_running_containers(bench: Bench) -> None:
    """Also where the container could not be removed."""
    debug(bench, "echo one; exec sleep 1000")
    with bench.supervisor() as (services, _, _):
        services.start()
        until(services, lambda: count_lines(bench) == 1)
        pump = pump_of(bench)
        services.close()
        assert pump.wait(PATIENCE)
        assert os.path.exists(bench.life.control.raw_log)


# A whole job


def test_a_job_with_a_service_survives_its_supervisors(docker_lab: DockerLab, tmp_path: Path) -> None:
    """The script reaches the service by its alias, its output is in the trace once, nothing is left."""
    image = docker_lab.image("EXPOSE 8080", files={"www/hello": b"from the service\n"})
    job = place_docker_job(
        tmp_path,
        docker_lab,
        script=["wget -q -O - http://web:8080/hello", "sleep 3", "wget -q -O - http://web:8080/hello"],
        services=[
            {
                "name": image,
                "alias": "web",
                "command": ["sh", "-c", "echo up; exec httpd -f -vv -p 8080 -h /www"],
            }
        ],
        variables={"CI_DEBUG_SERVICES": "true"},
    )
    job.start()
    job.await_output(b"from the service")
    job.kill()
    assert job.finish().state == "success"
    assert output_of(job) == ["from the service"] * 2
    served = [line for line in job.trace.split(b"\n") if b"[service:" in line]
    assert len([line for line in served if b" up\x1b" in line]) == 1
    assert len([line for line in served if b"url:/hello" in line or b"response:200" in line]) >= 2
    assert containers_of(job, docker_lab) == []
    assert not list(job.control.path.glob("out.61440*"))
