"""Where workspace stages of a docker job run: beside the containers, or in one of their own (design R8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pyrunner.executors.base import Running, StageRequest


class Workspace(Protocol):
    """Runs the workspace stages of one job."""

    def prepare(self) -> None:
        """Make ready what does not have to wait for the first stage.

        :raises PyrunnerError: when it cannot be.
        """

    def start(self, request: StageRequest, announce: Callable[[dict[str, Any]], None]) -> Running:
        """Start a stage; see :meth:`pyrunner.executors.base.Executor.start`."""

    def attach(self, request: StageRequest, identity: dict[str, Any]) -> Running | None:
        """Take up a stage that a former supervisor started; None when it never began."""

    def chown(self, owner: str, folders: list[str]) -> None:
        """Give folders of the job, as its environment sees them, to ``<uid>:<gid>`` of its image.

        :raises PyrunnerError: when that fails.
        """

    def cleanup(self) -> None:
        """Release everything; safe twice."""
