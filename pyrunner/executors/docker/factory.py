"""Puts the docker executor of one job together."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pyrunner.config.docker import DockerConfig
from pyrunner.errors import EngineError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.executor import DockerExecutor
from pyrunner.executors.docker.images.job_images import Images
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.set_up import JobSetUp
from pyrunner.executors.docker.stages.box import Box
from pyrunner.executors.docker.workspaces.choice import warm_up as warm_up_choice
from pyrunner.executors.docker.workspaces.helper import KEEP_ALIVE, HelperWorkspace
from pyrunner.executors.docker.workspaces.sandbox import SandboxWorkspace
from pyrunner.executors.traits import ARCHIVES_DIR
from pyrunner.jobdir.control import ControlDir
from pyrunner.trace.rawlog import RawLog

#: Pulls of all jobs of this machine take turns here.
_MACHINE_LOCKS: Final = Path("/run/pyrunner/pulls")
#: A container that no engine has.
_NOBODY: Final = "pyrunner-nobody"
#: Seconds that an engine may take to say so.
_PATIENCE: Final = 5


def warm_up() -> None:
    """Do in the process that supervisors are forked from what all of them would do; cheap when it is done.

    Calls of each kind fill the caches of the libraries below; supervisors share that memory (design 5).
    """
    endpoint = Endpoint.of(DockerConfig(), os.environ)
    warm_up_choice(endpoint)
    _call_once(endpoint)


@functools.cache
def _call_once(endpoint: Endpoint) -> None:
    engine = Engine(endpoint, _PATIENCE)
    # It need not be the engine of any job, and it need not answer: the way there is the same.
    for request in (
        lambda api: api.info(),
        lambda api: api.inspect_container(_NOBODY),
        lambda api: api.create_container_from_config({}, _NOBODY),
        lambda api: api.wait(_NOBODY, timeout=1),
        lambda api: api.start(_NOBODY),
    ):
        try:
            engine.call(request)
        except EngineError as error:
            if not error.status:
                break  # nobody answers
    engine.close()


def make_docker_executor(
    job: DockerJob,
    control: ControlDir,
    raw_log: RawLog,
    report: Report,
    environment: Mapping[str, str],
    home: Path | None,
    sandbox: bool,
    shell: str,
) -> DockerExecutor:
    """Return a fresh executor; nothing is asked of the engine yet.

    :param environment: of the runner: ``DOCKER_HOST`` and its like.
    :param home: where docker's own settings are; None: nowhere.
    :param sandbox: workspace stages run in the sandbox; else in a helper container.
    :param shell: of the stage scripts, where we choose it.
    :raises BuildError: when config.toml has no ``[runners.docker]``.
    """
    engine = Engine(Endpoint.of(job.config, environment))
    local = engine.endpoint.local
    images = Images(engine, job, report, _locks(job), home, environment)
    set_up = JobSetUp(
        job, engine, report, raw_log, images, Box.of(control, "build") if local else None, not sandbox
    )
    if sandbox:
        beside = SandboxWorkspace(job, control, raw_log, report, shell, lambda: set_up.side_output)
        return DockerExecutor(job, control, raw_log, report, engine, set_up, beside)
    helper_box = Box.of(control, "helper") if local else None
    archives = [f"{job.record.cache}:{ARCHIVES_DIR}"] if local else []
    workspace = HelperWorkspace(
        job=job,
        control=control,
        raw_log=raw_log,
        report=report,
        engine=engine,
        side_output=lambda: set_up.side_output,
        announce_image=set_up.announce_helper,
        body=lambda: set_up.helper_body(KEEP_ALIVE, helper_box, archives),
    )
    return DockerExecutor(job, control, raw_log, report, engine, set_up, workspace)


def _locks(job: DockerJob) -> Path:
    """Return a folder that all jobs share which may share a pull."""
    return _MACHINE_LOCKS if os.geteuid() == 0 else Path(job.record.business).parent / ".pulls"
