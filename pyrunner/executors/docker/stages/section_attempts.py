"""Containers that are gone when a stage is about to begin in them (docker-executor.md 1.3).

Only then is a stage tried again: nothing of its script has run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyrunner.errors import ContainerGone
from pyrunner.executors.base import Report, Running


@dataclass
class SectionAttempts:
    """The tries of one stage.

    :param name: of the stage, e.g. ``step_script``.
    :param maximum: ``EXECUTOR_JOB_SECTION_ATTEMPTS``.
    :param begin: makes a container if need be, and starts the stage; raises :class:`ContainerGone`.
    """

    report: Report
    name: str
    maximum: int
    begin: Callable[[SectionAttempts], Running]
    #: Tries that found no container.
    failed: int = 0

    def start(self) -> Running:
        """Start the stage, again as often as it may be.

        :raises ContainerGone: when the last try has found no container.
        """
        while True:
            try:
                return self.begin(self)
            except ContainerGone as error:
                if not self.goes_on_without(error.container):
                    raise

    def goes_on_without(self, container: str) -> bool:
        """Say that a container was not there; tell whether the stage is to be started again."""
        self.failed += 1
        self.report.error(f'Container "{container}" not found or removed. Will retry...')
        if self.failed < self.maximum:
            self.report.info(f"Retrying {self.name}")
            return True
        if self.maximum > 1:
            self.report.error("Execution attempts exceeded")
        return False
