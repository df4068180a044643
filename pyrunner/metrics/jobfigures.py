"""What an ended job tells the metrics: where its time went, and what it used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pyrunner.jobdir.stats import JobStats
from pyrunner.system.usage import ResourceUsage

#: What :attr:`JobStats.stages` holds beside stages: it takes no time of its own.
_BESIDE: Final = "services"
#: Of a cache's name in the figures of a job; anything else is dropped, so that no label is a job's to choose.
CACHE_RESULTS: Final = ("hit", "miss", "created", "unchanged", "failed")


@dataclass(frozen=True, slots=True)
class JobFigures:
    """Seconds and amounts of one job; None and empty where nothing is known."""

    #: Section name and seconds of each stage attempt.
    stages: tuple[tuple[str, float], ...] = ()
    #: From the job's arrival to the begin of its supervisor.
    start: float | None = None
    #: Between its begin and its end, outside all stages.
    between: float | None = None
    #: From its arrival to its end, without the user's scripts.
    overhead: float | None = None
    usage: ResourceUsage = field(default_factory=ResourceUsage)
    cache: Mapping[str, int] = field(default_factory=dict)
    interpolations: int = 0


def figures_of(stats: JobStats, received_at: float) -> JobFigures:
    """Return the figures of a job that came at ``received_at``, seconds since the epoch."""
    stages = tuple((_stage_label(name), usage.wall) for name, usage in stats.stages if name != _BESIDE)
    start = max(0.0, stats.started_at - received_at)
    whole = max(0.0, stats.ended_at - stats.started_at)
    scripts = sum(seconds for name, seconds in stages if is_user_script(name))
    return JobFigures(
        stages=stages,
        start=start,
        between=max(0.0, whole - sum(seconds for _, seconds in stages)),
        overhead=max(0.0, start + whole - scripts),
        usage=stats.usage,
        cache={key: stats.cache[key] for key in CACHE_RESULTS if stats.cache.get(key)},
        interpolations=stats.interpolations,
    )


def is_user_script(stage: str) -> bool:
    """Tell whether a stage runs what the pipeline's author wrote."""
    return stage.startswith("step_") or stage == "after_script"


def _stage_label(name: str) -> str:
    """Return the stage's name; steps beyond the known ones share one, as their names are the payload's."""
    known = ("step_script", "step_release")
    return name if not name.startswith("step_") or name in known else "step_other"
