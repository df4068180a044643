"""The container engine and the sandbox for workspace stages; their libraries are imported when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from pyrunner.config.docker import DockerConfig
from pyrunner.config.model import RunnerConfig
from pyrunner.doctor.context import Context
from pyrunner.doctor.result import Result, failed, ok, skipped, warning
from pyrunner.errors import EngineError

_NO_DOCKER: Final = "no runner with the docker executor"


def check_docker(context: Context) -> Iterator[Result]:
    """Tell of each engine that the configuration names whether it answers, and its version."""
    runners = context.with_executor("docker")
    if not runners:
        yield skipped("docker", _NO_DOCKER)
        return
    from pyrunner.executors.docker.engine.connection import Endpoint, Engine

    for endpoint in dict.fromkeys(Endpoint.of(_docker(one), context.host.environ) for one in runners):
        engine = Engine(endpoint)
        try:
            version = engine.call(lambda api: api.version())
            info = engine.info
        except EngineError as error:
            yield failed("docker", f"{endpoint.host}: {error}", _fix(endpoint.host, str(error)))
            continue
        finally:
            engine.close()
        kind = "on this host" if endpoint.local else "on another host"
        options = " ".join(str(one) for one in info.get("SecurityOptions") or ())
        rootless = ", rootless" if "name=rootless" in options else ""
        text = f"{endpoint.host}: version {version.get('Version')}, API {version.get('ApiVersion')}"
        yield ok("docker", f"{text}, {kind}{rootless}")
    for runner in runners:
        if runner.docker is None or not runner.docker.image:
            text = f"{runner.name}: jobs that name no image fail: [runners.docker] has no default image"
            yield warning("docker", text, 'add image = "alpine:latest" or the like to [runners.docker]')


def check_sandbox(context: Context) -> Iterator[Result]:
    """Tell whether workspace stages can run in bubblewrap, or what makes them slower."""
    runners = context.with_executor("docker")
    if not runners:
        yield skipped("sandbox", _NO_DOCKER)
        return
    if all(one.tristan.workspace == "container" for one in runners):
        yield skipped("sandbox", 'workspace = "container" is set')
        return
    from pyrunner.executors.docker.engine.connection import Endpoint
    from pyrunner.executors.sandbox.available import Host, sandbox_available

    if not any(Endpoint.of(_docker(one), context.host.environ).local for one in runners):
        yield skipped("sandbox", "the container engine is on another host: helper containers serve")
        return
    host = context.host
    reason = sandbox_available(Host(user=host.uid, machine=os.uname().machine, which=host.which))
    if reason is None:
        yield ok("sandbox", "bubblewrap works here: sources, caches and artifacts need no container")
        return
    fix = 'mend that, or set workspace = "container" in [runners.tristan] if it shall be so'
    if any(one.tristan.workspace == "sandbox" for one in runners):
        yield failed("sandbox", f'{reason}; workspace = "sandbox" demands it, so jobs fail', fix)
    else:
        yield warning("sandbox", f"{reason}; helper containers are started instead, which is slower", fix)


def _docker(runner: RunnerConfig) -> DockerConfig:
    return runner.docker or DockerConfig()


def _fix(host: str, error: str) -> str:
    if not host.startswith("unix://"):
        return "check host and tls_cert_path in [runners.docker], and the engine there"
    if "ermission denied" in error:
        return "add the service's user to the group docker (root on this host, in effect), or run it as root"
    return "systemctl start docker, or install it; or correct host in [runners.docker]"
