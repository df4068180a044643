"""A supervisor's share of a pull, as a process of its own: ``python -m tests.support.pull_process ...``.

Arguments: control directory, folder of locks, image. Prints the image's id, or the error.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyrunner.errors import PyrunnerError
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.images.job_images import Images
from tests.support.docker_jobs import docker_job
from tests.support.job_reports import JobLife


def main() -> None:
    """Pull."""
    control, locks, name = sys.argv[1:]
    engine = Engine(Endpoint.of(docker_job().config, {}))
    with JobLife(Path(control)).supervisor() as (report, raw_log):
        try:
            text = Images(engine, docker_job(), report, Path(locks)).use(name).id
        except PyrunnerError as error:
            text = str(error)
        raw_log.close_messages(0)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
