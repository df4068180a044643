"""Pipelines in an embedded coordinator: the service beside it, put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyrunner.ci.files import Folder
from pyrunner.ci.plan import Pipeline
from pyrunner.coordinator.pipelines.creation import Choices
from pyrunner.coordinator.pipelines.dotenv import report_refusal
from pyrunner.coordinator.pipelines.projects import Projects
from pyrunner.coordinator.pipelines.service import PipelineService
from pyrunner.coordinator.server import EmbeddedCoordinator


def host_pipelines(
    coordinator: EmbeddedCoordinator,
    database: Path,
    *,
    elsewhere: Folder | None = None,
    child_choices: Callable[[Pipeline], Choices] = lambda _: Choices(),
    strict_triggers: bool = False,
    release: bool = False,
) -> PipelineService:
    """Return the pipeline service of a coordinator, not started yet.

    :param database: its file; pipelines that are in it go on.
    :param elsewhere: included files of other projects, templates and addresses.
    """
    coordinator.state.artifacts.check_report = report_refusal
    projects = Projects(coordinator.state.repositories, lambda: coordinator.url, elsewhere)
    return PipelineService(
        database,
        coordinator.store,
        projects,
        child_choices=child_choices,
        strict_triggers=strict_triggers,
        release=release,
    )
