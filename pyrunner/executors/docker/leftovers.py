"""``python -m pyrunner.executors.docker.leftovers``: removes what lost jobs have left on an engine.

Standard input: ``{"business": FOLDER, "runner": [[runners]] ENTRY}``; standard output: what could not be
removed, a line each. Whether a job still wants its things is asked after they were listed, so a job that
comes meanwhile loses nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyrunner.config.model import RunnerConfig
from pyrunner.errors import JobDirError, PyrunnerError
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.job import business_label
from pyrunner.executors.docker.removal import remove_leftovers
from pyrunner.jobdir.index import pending_jobs
from pyrunner.jobdir.journal import load_state
from pyrunner.jobdir.layout import Business
from pyrunner.jobdir.record import JobRecord, job_marker


def main() -> int:
    """Do what standard input says; returns the exit code."""
    try:
        for line in sweep(json.load(sys.stdin), os.environ):
            print(line)  # noqa: T201 - it is what this program is asked for
    except PyrunnerError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def sweep(request: Mapping[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Remove what no unfinished job of the business wants; return what went wrong.

    :raises EngineError: when the engine does not answer.
    :raises PayloadError: for a request that cannot be read.
    """
    runner = RunnerConfig.from_dict(request["runner"])
    if runner.docker is None:
        return []
    folder = Path(request["business"])
    engine = Engine(Endpoint.of(runner.docker, environment))
    try:
        return remove_leftovers(
            engine,
            business_label(str(folder)),
            lambda marker: marker in _wanted(Business(folder.parent, folder.name)),
            keep_volumes=runner.docker.volume_keep,
        )
    finally:
        engine.close()


def _wanted(business: Business) -> set[str]:
    """Return the markers of jobs that have not come to their end."""
    markers = set()
    for one in pending_jobs(business):
        try:
            state = load_state(one.control.state)
            if state is not None and state.phase == "finished":
                continue
            record = JobRecord.load(one.control.job)
        except JobDirError:
            # Nobody knows what it is: then nothing is known of what it wants, either.
            return _Everything()
        markers.add(job_marker(one.control.path, record.received_at))
    return markers


class _Everything(set[str]):
    """All markers there are."""

    def __contains__(self, marker: object) -> bool:
        return True


if __name__ == "__main__":
    sys.exit(main())
