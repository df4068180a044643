"""Supervisors of docker jobs that die before or after one call to the engine (design R3, R5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrunner.jobdir.journal import JobResult
from tests.support.docker import DockerLab
from tests.support.docker_jobs import containers_of, place_docker_job
from tests.support.jobs import PlacedJob

#: Counts the calls of the supervisor itself, not those of its wrappers, and dies at one of them.
_DIE = """
import os, signal, pathlib, pyrunner.executors.docker.engine.connection as e
real, count, me = e.Engine.call, [0], os.getpid()
def call(self, request, what=""):
    if os.getpid() != me: return real(self, request, what)
    count[0] += 1
    number = count[0]
    pathlib.Path({counter!r}).write_text(str(number))
    if number == {number} and {before}: os.kill(me, signal.SIGKILL)
    try: return real(self, request, what)
    finally:
        if number == {number}: os.kill(me, signal.SIGKILL)
e.Engine.call = call
"""
#: Told when a container that still runs is taken off its networks: whoever removes it after a kill may find
#: it off them already, and has nothing to tell.
_MAY_BE_MISSING = ("disconnected from network", "  wall ")


@dataclass(frozen=True)
class Outcome:
    """What a job came to, and what of it is left."""

    result: JobResult
    #: Without times, ids and what may be missing.
    trace: list[str]
    #: How often the user's script began.
    runs: int
    containers: list[str]
    #: Calls that the first supervisor made.
    calls: int
    died: bool


@dataclass(frozen=True)
class Scenario:
    """One kind of job, run again and again.

    :param docker: keys of ``[runners.docker]``.
    :param arguments: of the payload.
    """

    lab: DockerLab
    docker: dict[str, Any]
    image: str
    arguments: dict[str, Any]

    def run(self, folder: Path, number: int = 0, *, before: bool = True) -> Outcome:
        """Run the job; its first supervisor dies at a call.

        :param number: of the call, from 1; 0: it lives.
        :param before: it dies before the engine gets the request, or else with the answer in hand.
        """
        shared = folder / "shared"
        shared.mkdir(parents=True)
        shared.chmod(0o777)
        docker = {**self.docker, "volumes": [f"{shared}:/shared"]}
        script = ["echo began >> /shared/runs", "echo one; echo two >&2", "echo three"]
        job = place_docker_job(
            folder,
            self.lab,
            image=self.image,
            docker=docker,
            script=script,
            after_script=["echo after"],
            **self.arguments,
        )
        counter = folder / "calls"
        job.start(_DIE.format(counter=str(counter), number=number, before=before))
        assert job.process is not None
        died = job.process.wait(120) < 0
        if died:
            job.process = None
        result = job.finish()
        runs = (shared / "runs").read_text().count("began") if (shared / "runs").exists() else 0
        return Outcome(
            result, _comparable(job), runs, containers_of(job, self.lab), int(counter.read_text()), died
        )


def _comparable(job: PlacedJob) -> list[str]:
    text = job.trace.decode().replace(str(job.payload["id"]), "ID")
    text = re.sub(r"^\S+Z ", "", text, flags=re.M)
    text = re.sub(r"section_(start|end):\d+", r"section_\1", text)
    lines = [line for line in text.splitlines() if not any(one in line for one in _MAY_BE_MISSING)]
    # Both streams of a stage come through pipes of their own: their order is nobody's promise.
    return sorted(lines)
