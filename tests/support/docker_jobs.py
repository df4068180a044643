"""Docker jobs without a manager: placed, run, killed and resumed like those of the shell executor."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

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
        "helper_image": "lead/helper:1",
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
