"""Values of ``[runners.docker]`` with which jobs will fail, told when the file is loaded.

gitlab-runner looks at them when a job runs, and its process ends at an unparsable memory size. A file
that it loads is loaded here too: refusing it for one value would stop the other ``[[runners]]`` entries
and, at a reload, keep all later changes out. So each finding is a warning at every load, with file,
line and column, and a job that needs the value fails at once as ``runner_configuration_error`` with the
same text (:mod:`pyrunner.executors.docker`); jobs that do not need it - a value for services, in a job
without any - run as ever. Nothing here looks at the host: a seccomp profile is read when a job runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from pyrunner.config.convert import Path
from pyrunner.config.docker import DockerConfig, DockerService
from pyrunner.config.docker_values import (
    check_isolation,
    check_log_options,
    check_port,
    check_pull_policies,
    parse_cpus,
    parse_device,
    parse_dns,
    parse_mac,
    parse_memory,
    parse_ulimit,
)
from pyrunner.config.gpus import parse_gpus
from pyrunner.config.model import Config
from pyrunner.config.volume_spec import clean, parse_volume
from pyrunner.system.golang import quoted

Finding = tuple[Path, str]

#: The only executor here that reads the table, and reads it for Linux.
EXECUTOR: Final = "docker"
#: What each key's text has to be; lists are checked entry by entry.
_TEXTS: Final[Mapping[str, Callable[[str], object]]] = {
    "cpus": parse_cpus,
    "service_cpus": lambda text: _prefixed("service nano cpus: ", parse_cpus, text),
    "gpus": parse_gpus,
    "service_gpus": parse_gpus,
    "isolation": check_isolation,
    "mac_address": lambda text: text and parse_mac(text),
    "devices": parse_device,
    "dns": parse_dns,
    "pull_policy": lambda text: check_pull_policies([text], "pull_policy"),
    "allowed_pull_policies": lambda text: check_pull_policies([text], "allowed_pull_policies"),
    "extra_hosts": lambda text: _host(text),
    **{
        f"{prefix}{key}": lambda text, key=f"{prefix}{key}": parse_memory(text, key)  # type: ignore[misc]
        for prefix in ("", "service_")
        for key in ("memory", "memory_swap", "memory_reservation")
    },
}
#: Whole numbers with the least and the greatest that the engine takes.
_NUMBERS: Final = {
    "shm_size": (0, 2**63 - 1),
    "network_mtu": (0, 2**31 - 1),
    "oom_score_adjust": (-1000, 1000),
    "cpu_shares": (0, 2**63 - 1),
    "service_cpu_shares": (0, 2**63 - 1),
}
_PORT_VARIABLE: Final = "HEALTHCHECK_TCP_PORT"


def findings(config: Config) -> Iterator[Finding]:
    """Yield what jobs of docker runners will fail with, in the order of the file's entries."""
    for index, runner in enumerate(config.runners):
        if runner.docker is not None and runner.executor == EXECUTOR:
            yield from docker_findings(runner.docker, ("runners", index, "docker"))


def docker_findings(docker: DockerConfig, at: Path = ()) -> Iterator[Finding]:
    """Yield the findings of one table; ``at`` is where it stands."""
    for key, check in _TEXTS.items():
        value = getattr(docker, key)
        if isinstance(value, str):
            yield from _failing(check, value, (*at, key))
        else:
            for index, entry in enumerate(value):
                yield from _failing(check, entry, (*at, key, index))
    for key, (least, greatest) in _NUMBERS.items():
        number = getattr(docker, key)
        if not least <= number <= greatest:
            yield (*at, key), f"{number} is not between {least} and {greatest}"
    for name, limits in docker.ulimit.items():
        yield from _failing(parse_ulimit, limits, (*at, "ulimit", name))
    for image, devices in docker.services_devices.items():
        for index, entry in enumerate(devices):
            yield from _failing(parse_device, entry, (*at, "services_devices", image, index))
    yield from _failing(check_log_options, docker.log_options, (*at, "log_options"))
    yield from _volumes(docker.volumes, (*at, "volumes"))
    for index, service in enumerate(docker.services):
        yield from _service(service, (*at, "services", index))


def _failing(check: Callable[[Any], object], value: object, at: Path) -> Iterator[Finding]:
    try:
        check(value)
    except ValueError as error:
        yield at, str(error)


def _volumes(volumes: Iterable[str], at: Path) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, text in enumerate(volumes):
        try:
            destination = parse_volume(text).destination
        except ValueError as error:
            yield (*at, index), str(error)
            continue
        if "$" in destination:
            # Only the job knows what it will be.
            continue
        destination = clean(destination)
        if destination == "/":
            yield (*at, index), "build directory needs to be a non-root path"
        elif destination in seen:
            yield (*at, index), f"volume for container path {quoted(destination)} is already defined"
        seen.add(destination)


def _service(service: DockerService, at: Path) -> Iterator[Finding]:
    if not service.name and service.alias:
        yield (*at, "name"), "invalid service image name: "
    for index, entry in enumerate(service.environment):
        name, _, value = entry.partition("=")
        if name.upper() == _PORT_VARIABLE and "$" not in value:
            yield from _failing(check_port, value, (*at, "environment", index))


def _host(text: str) -> str:
    name, separator, address = text.partition(":")
    if not name or not separator or not address:
        raise ValueError(f"bad format for add-host: {quoted(text)}")
    return text


def _prefixed(prefix: str, parse: Callable[[str], object], text: str) -> object:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from None
