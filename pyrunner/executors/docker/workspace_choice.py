"""Whether the workspace stages of a job run in the sandbox or in a helper container (design R8)."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping

from pyrunner.config.model import RunnerConfig
from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine import Endpoint, Engine
from pyrunner.executors.sandbox.available import sandbox_available
from pyrunner.executors.sandbox.choice import CONTAINER, EngineFacts, Workspace, choose_workspace
from pyrunner.executors.sandbox.firewall import line_for_containers

#: Seconds that the engine has to tell what it is: the job waits for it again when it is prepared.
_PATIENCE = 20

#: Seconds that what was found out about the host counts: the process that supervisors are forked from asks,
#: and they share the answer.
_COUNTS_FOR = 60.0


def host_obstacle() -> str | None:
    """Return why the sandbox cannot work on this host; None when it can."""
    return _host_facts(_period())[0]


def host_firewall() -> str:
    """Return where the firewall holds containers back; empty when nowhere."""
    return _host_facts(_period())[1]


def warm_up() -> None:
    """Find out now what is not known, or not any more; takes 50 ms."""
    _host_facts(_period())


def _period() -> int:
    return int(time.monotonic() // _COUNTS_FOR)


@functools.lru_cache(maxsize=1)
def _host_facts(period: int) -> tuple[str | None, str]:
    obstacle = sandbox_available()
    return obstacle, line_for_containers() if obstacle is None else ""


def choose(
    runner: RunnerConfig, builds_dir: str, job_hooks: bool, environment: Mapping[str, str]
) -> Workspace:
    """Return where workspace stages run, and why.

    :raises BuildError: when config.toml demands what cannot be had.
    """
    if runner.docker is None:
        return Workspace(CONTAINER, "there is no [runners.docker]")
    engine = Engine(Endpoint.of(runner.docker, environment), _PATIENCE)
    try:
        bridge = None
        info = engine.info
        if engine.endpoint.local:
            bridge = _bridge(engine)
    except EngineError as error:
        return Workspace(CONTAINER, f"the engine does not answer: {error}")
    finally:
        engine.close()
    return choose_workspace(
        runner,
        runner.docker,
        EngineFacts.of(engine.endpoint.local, info, bridge),
        builds_dir,
        job_hooks=job_hooks,
        unavailable=host_obstacle,
        firewall=host_firewall,
    )


def _bridge(engine: Engine) -> Mapping[str, object] | None:
    try:
        return dict(engine.call(lambda api: api.inspect_network("bridge")))
    except EngineError as error:
        if error.not_found:
            return None
        raise
