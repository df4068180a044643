"""Whether the workspace stages of a job run in the sandbox or in a helper container (design R8)."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping

from pyrunner.config.model import RunnerConfig
from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.sandbox.available import sandbox_available
from pyrunner.executors.sandbox.choice import CONTAINER, EngineFacts, Workspace, choose_workspace
from pyrunner.executors.sandbox.firewall import line_for_containers
from pyrunner.executors.sandbox.limits import why_unlimited

#: Seconds that the engine has to tell what it is: the job waits for it again when it is prepared.
_PATIENCE = 20

#: Seconds that it has where nobody needs the answer yet.
_HURRY = 1

#: Seconds that what was found out about the host counts: the process that supervisors are forked from asks,
#: and they share the answer.
_COUNTS_FOR = 60.0


def host_obstacle() -> str | None:
    """Return why the sandbox cannot work on this host; None when it can."""
    return _host_facts(_period())[0]


def host_firewall() -> str:
    """Return where the firewall holds containers back; empty when nowhere."""
    return _host_facts(_period())[1]


def warm_up(endpoint: Endpoint) -> None:
    """Find out now what is not known, or not any more; takes 50 ms.

    :param endpoint: the engine of most jobs; it need not answer.
    """
    _host_facts(_period())
    _ask_ahead(endpoint, _period())


@functools.lru_cache(maxsize=1)
def _ask_ahead(endpoint: Endpoint, period: int) -> None:
    """Ask an engine what it is, once a period, unless it makes us wait: other jobs do."""
    hurried = Engine(endpoint, _HURRY)
    try:
        hurried.call(lambda api: api.ping())
        _engine_facts(endpoint, period)
    except EngineError:
        return  # each job asks again by itself, and tells what comes of it
    finally:
        hurried.close()


def _period() -> int:
    return int(time.monotonic() // _COUNTS_FOR)


@functools.lru_cache(maxsize=1)
def _host_facts(period: int) -> tuple[str | None, str]:
    obstacle = sandbox_available()
    return obstacle, line_for_containers() if obstacle is None else ""


@functools.lru_cache(maxsize=4)
def _engine_facts(endpoint: Endpoint, period: int) -> EngineFacts:
    """Ask an engine what it is; it takes 10 ms to tell.

    :raises EngineError: when it does not answer; asked again the next time.
    """
    engine = Engine(endpoint, _PATIENCE, anew=True)
    try:
        bridge = _bridge(engine) if endpoint.local else None
        return EngineFacts.of(endpoint.local, engine.info, bridge)
    finally:
        engine.close()


def choose(
    runner: RunnerConfig, builds_dir: str, job_hooks: bool, environment: Mapping[str, str]
) -> Workspace:
    """Return where workspace stages run, and why.

    :raises BuildError: when config.toml demands what cannot be had.
    """
    if runner.docker is None:
        return Workspace(CONTAINER, "there is no [runners.docker]")
    try:
        facts = _engine_facts(Endpoint.of(runner.docker, environment), _period())
    except EngineError as error:
        return Workspace(CONTAINER, f"the engine does not answer: {error}")
    return choose_workspace(
        runner,
        runner.docker,
        facts,
        builds_dir,
        job_hooks=job_hooks,
        unavailable=host_obstacle,
        firewall=host_firewall,
        unlimited=why_unlimited,
    )


def _bridge(engine: Engine) -> Mapping[str, object] | None:
    try:
        return dict(engine.call(lambda api: api.inspect_network("bridge")))
    except EngineError as error:
        if error.not_found:
            return None
        raise
