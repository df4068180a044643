"""The coordinator alone, in the foreground: the hidden ``pyrunner coordinator`` command."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.settings import CoordinatorSettings


def run_coordinator(
    host: str = "127.0.0.1",
    port: int = 8929,
    *,
    directory: Path | None = None,
    repositories: Mapping[str, Path] | None = None,
    runner_token: str = "",
    settings: CoordinatorSettings | None = None,
    announce: Callable[[EmbeddedCoordinator], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; to be called in the main thread.

    :param directory: where traces and artifacts stay; None: a temporary folder that goes at the end.
    :param repositories: project path to working tree or bare repository.
    :param runner_token: token of a runner that exists from the start; empty: none.
    :param announce: called once when the coordinator serves, to print URL and tokens.
    :raises OSError: when the address cannot be had.
    :raises RepositoryError: when a repository cannot be served.
    """
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    previous = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with EmbeddedCoordinator(
            host=host, port=port, directory=directory, settings=settings, first_job_id=int(time.time())
        ) as coordinator:
            for name, path in (repositories or {}).items():
                coordinator.add_repository(name, path)
            if runner_token:
                coordinator.add_runner(runner_token)
            if announce is not None:
                announce(coordinator)
            stop.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
