"""``stats.json``: what a job has used, by stage (tristan-layout.md 5); its supervisor writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyrunner.errors import JobDirError
from pyrunner.system.files import read_json
from pyrunner.system.usage import ResourceUsage


@dataclass(frozen=True, slots=True)
class JobStats:
    """The content of stats.json.

    :param started_at: seconds since the epoch; so is ``ended_at``.
    :param stages: section name and use of each attempt that ran, in order.
    :param usage: of the whole job.
    :param cache: how often caches were found, missed, saved: ``hit``, ``miss``, ``created``,
        ``unchanged``, ``failed``.
    :param interpolations: texts of the job that its inputs were put into.
    """

    started_at: float = 0.0
    ended_at: float = 0.0
    stages: tuple[tuple[str, ResourceUsage], ...] = ()
    usage: ResourceUsage = field(default_factory=ResourceUsage)
    cache: Mapping[str, int] = field(default_factory=dict)
    interpolations: int = 0


def load_stats(path: Path) -> JobStats | None:
    """Read a stats.json; None when there is none.

    :raises JobDirError: when it cannot be read, or makes no sense.
    """
    try:
        value = read_json(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JobDirError(f"{path}: {error.strerror}") from error
    try:
        return _stats(value)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise JobDirError(f"{path}: not a job's statistics") from None


def _stats(value: dict[str, Any]) -> JobStats:
    return JobStats(
        started_at=float(value["started_at"]),
        ended_at=float(value["ended_at"]),
        stages=tuple((str(one["stage"]), ResourceUsage.from_dict(one)) for one in value["stages"]),
        usage=ResourceUsage.from_dict(value["job"]),
        cache={str(key): int(number) for key, number in value.get("cache", {}).items()},
        interpolations=int(value.get("interpolations", 0)),
    )
