"""Jobs as the docker executor sees them, for tests; changed by what a test is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyrunner.config.model import RunnerConfig
from pyrunner.executors.docker.job import DockerJob
from pyrunner.jobdir.record import JobRecord
from pyrunner.protocol.job import decode_job
from pyrunner.protocol.variables import Variable, VariableSet
from tests.support.contexts import payload


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
