"""What the compiler makes: a pipeline, its jobs, and the jobs that were left out with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyrunner.ci.event import Event
from pyrunner.ci.finding import Finding
from pyrunner.ci.matrix import Instance
from pyrunner.ci.tree import NOWHERE, Map, Position
from pyrunner.protocol.variables import Variable


@dataclass(frozen=True, slots=True)
class PlannedNeed:
    """A job of this pipeline that is waited for."""

    name: str
    artifacts: bool = True
    optional: bool = False


@dataclass(frozen=True, slots=True)
class PipelineNeed:
    """``needs:pipeline``: artifacts of a job of another pipeline; nobody waits for it."""

    pipeline: str
    job: str
    artifacts: bool = True


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed job runs again (3.8).

    :param when: failure reasons, or ``always``.
    """

    max: int = 0
    when: tuple[str, ...] = ("always",)
    exit_codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedEnvironment:
    """The environment, expanded (3.13)."""

    name: str
    slug: str
    url: str = ""
    action: str = "start"
    tier: str = "other"
    on_stop: str = ""
    auto_stop_in: str = ""


@dataclass(frozen=True, slots=True)
class PlannedTrigger:
    """What a trigger job starts (3.14).

    :param project: of a pipeline elsewhere; empty for a child pipeline.
    :param includes: the entries that make up a child pipeline's configuration.
    :param strategy: empty, ``depend`` or ``mirror``.
    :param mirrors: the project whose latest pipeline's status is taken (``needs:pipeline`` alone).
    """

    project: str = ""
    branch: str = ""
    includes: tuple[Any, ...] = ()
    strategy: str = ""
    forward_yaml_variables: bool = True
    forward_pipeline_variables: bool = False
    inputs: Mapping[str, Any] = field(default_factory=dict)
    mirrors: str = ""
    position: Position = NOWHERE


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One job of a pipeline.

    :param instance: name, index and total of ``parallel``.
    :param options: the keywords, defaults applied; what the payload is made from.
    :param reason: why it is in.
    :param when: ``on_success on_failure always manual delayed``.
    :param start_in: seconds, 0 unless delayed.
    :param exit_codes: those that count as an allowed failure.
    :param needs: None: waits for all earlier stages. Only jobs of this pipeline.
    :param waits_for: the jobs before it, by name.
    :param artifacts_from: the jobs whose artifacts it gets, in order of creation.
    :param timeout: seconds; None: the project's.
    :param variables: the YAML layers merged (5.1 layer 7).
    """

    instance: Instance
    stage: str
    options: Map
    reason: str
    event: Event
    pipeline_name: str = ""
    when: str = "on_success"
    start_in: int = 0
    allow_failure: bool = False
    exit_codes: tuple[int, ...] = ()
    needs: tuple[PlannedNeed, ...] | None = None
    pipeline_needs: tuple[PipelineNeed, ...] = ()
    waits_for: tuple[str, ...] = ()
    artifacts_from: tuple[str, ...] = ()
    retry: RetryPolicy = RetryPolicy()
    timeout: int | None = None
    tags: tuple[str, ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict)
    environment: PlannedEnvironment | None = None
    resource_group: str = ""
    interruptible: bool = False
    coverage: str = ""
    manual_confirmation: str = ""
    trigger: PlannedTrigger | None = None

    @property
    def name(self) -> str:
        """The full name, with what ``parallel`` appended."""
        return self.instance.name

    @property
    def position(self) -> Position:
        """Where the job is written."""
        return self.options.position

    @property
    def by_needs(self) -> bool:
        """Tell whether ``needs``, not the stage, decides when the job starts."""
        return self.needs is not None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A job that is not in the pipeline, and why."""

    name: str
    stage: str
    reason: str
    position: Position


@dataclass(frozen=True, slots=True)
class Pipeline:
    """All that comes of a configuration and an event.

    :param refusal: why there is no pipeline, in GitLab's words; empty when there is one. ``jobs`` is
        empty then.
    :param stages: those that have a job, in order.
    :param jobs: in the order of creation: by stage, then as written.
    :param name: ``workflow:name``, expanded.
    :param variables: root and ``workflow:rules`` variables.
    :param warnings: what GitLab warns of, and what has no effect here.
    """

    event: Event
    refusal: str = ""
    stages: tuple[str, ...] = ()
    jobs: tuple[PlannedJob, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    name: str = ""
    variables: Mapping[str, Variable] = field(default_factory=dict)
    on_new_commit: str = "conservative"
    on_job_failure: str = "none"
    warnings: tuple[Finding, ...] = ()
    reason: str = ""

    def job(self, name: str) -> PlannedJob | None:
        """Return the job of that full name."""
        return next((one for one in self.jobs if one.name == name), None)

    @property
    def graph(self) -> dict[str, tuple[str, ...]]:
        """Each job with the jobs it waits for."""
        return {one.name: one.waits_for for one in self.jobs}
