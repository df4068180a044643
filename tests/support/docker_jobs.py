"""Docker jobs without a manager: as the executor sees them, or placed, run, killed and resumed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from pyrunner.config.model import RunnerConfig
from pyrunner.executors.docker.job import DockerJob
from pyrunner.jobdir.record import JobRecord
from pyrunner.protocol.job import decode_job
from pyrunner.protocol.variables import Variable, VariableSet
from tests.support.contexts import payload
from tests.support.docker import DockerLab
from tests.support.jobs import PlacedJob

#: What a trace's line begins with when it is stamped.
STAMP = 32


def place_docker_job(
    folder: Path, lab: DockerLab, *, image: str = "", docker: dict[str, Any] | None = None, **arguments: Any
) -> PlacedJob:
    """Make the control directory of a docker job on the lab's engine; its sources stay empty.

    :param docker: keys of ``[runners.docker]``.
    :param arguments: of :meth:`PlacedJob.place`.
    """
    settings = {
        "image": image or lab.image(),
        "pull_policy": ["if-not-present"],
        **(docker or {}),
    }
    runner = {"executor": "docker", "docker": settings, **arguments.pop("runner", {})}
    variables = {"GIT_STRATEGY": "none", **arguments.pop("variables", {})}
    return PlacedJob.place(
        folder, job_id=random.randint(10**6, 10**9), runner=runner, variables=variables, **arguments
    )


def output_of(job: PlacedJob, stage: str = "step_script") -> list[str]:
    """Return the lines that a stage printed, without stamps and commands."""
    text = job.trace.decode()
    inside = text.partition(f":{stage}\r")[2].partition(f":{stage}\r")[0]
    lines = [line[STAMP:] for line in inside.splitlines()[1:] if line[28:30] == "01"]
    return [line for line in lines if not line.startswith("\x1b[32;1m$ ")]


def containers_of(job: PlacedJob, lab: DockerLab) -> list[str]:
    """Return the names of all containers that the engine has of a job."""
    name = f"execute_1_1_{job.payload['id']}"
    found = lab.api.containers(all=True, filters={"name": name})
    return [one["Names"][0].lstrip("/") for one in found]


def docker_job(
    root: Path = Path("/srv/tristan"),
    *,
    docker: dict[str, Any] | None = None,
    runner: dict[str, Any] | None = None,
    job: dict[str, Any] | None = None,
    variables: dict[str, str] | None = None,
    flags: frozenset[str] = frozenset(),
    **changes: Any,
) -> DockerJob:
    """Return job 4711 of project 7 in slot 3.

    :param root: holds the business folder ``1``.
    :param docker: ``[runners.docker]``, attribute names of the model.
    :param runner: other keys of the entry.
    :param job: changes to the payload.
    :param variables: the job's expanded variables beside those of the payload.
    :param flags: feature flags that are on.
    :param changes: other fields of the job.
    """
    business = root / "1"
    entry = {
        "name": "desk",
        "url": "https://gitlab.example.com/",
        "token": "glrt-t1_abcdefghijkl",
        "executor": "docker",
        "docker": docker or {},
        **(runner or {}),
    }
    record = JobRecord(
        payload=payload(**(job or {})),
        runner=entry,
        business=str(business),
        business_id="1",
        executor_id=3,
        concurrent_project_id=1,
        system_id="s_1234567890ab",
        received_at=1700000000.25,
        source=str(business / "run/3/gitlab.example.com/group/app/branches/main/source"),
        cache=str(business / "cache/projects/gitlab.example.com/7/unprotected"),
        working_directory="/etc/pyrunner",
    )
    sent = decode_job(record.payload)
    known = [Variable.from_payload(one) for one in sent.variables]
    own = [Variable(key, value) for key, value in (variables or {}).items()]
    fields: dict[str, Any] = {
        "builds_dir": "/builds",
        "project_dir": "/builds/group/app",
        "temporary_dir": "/builds/group/app.tmp",
        "cache_dir": "/cache",
        "protected": False,
        "git_strategy": "fetch",
        "debug_services": False,
        "auth_config": "",
        **changes,
    }
    return DockerJob(
        job=sent,
        runner=RunnerConfig.from_dict(entry),
        record=record,
        control=business / "build" / str(sent.id),
        variables=VariableSet([*known, *own]),
        flag=lambda name: name in flags,
        **fields,
    )
