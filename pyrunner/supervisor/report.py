"""Accounting: stats.json and the closing "Resource usage" section of the trace (tristan-layout.md 5)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyrunner.system.files import write_json
from pyrunner.system.usage import ResourceUsage

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def store_stats(
    path: Path,
    usages: list[tuple[str, ResourceUsage]],
    started: float,
    ended: float,
    figures: Mapping[str, Any] | None = None,
) -> None:
    """Write the resource use of each stage attempt and of the whole job.

    :param figures: what else is to be in the file (:class:`pyrunner.jobdir.stats.JobStats`).
    """
    stages: list[dict[str, Any]] = [{"stage": name, **usage.to_dict()} for name, usage in usages]
    job = total(usages).to_dict()
    value = {"started_at": started, "ended_at": ended, "stages": stages, "job": job, **(figures or {})}
    write_json(path, value, durable=False)


def total(usages: list[tuple[str, ResourceUsage]]) -> ResourceUsage:
    """Add up stages: times and bytes are sums, memory is the highest peak."""
    result = ResourceUsage()
    for _, usage in usages:
        result = result + usage
    return result


def usage_lines(usages: list[tuple[str, ResourceUsage]]) -> list[str]:
    """Return the lines of the closing section: one a stage, and the job's."""
    rows = [*usages, ("job", total(usages))]
    width = max(len(name) for name, _ in rows)
    return [f"{name:<{width}}  {_figures(usage)}" for name, usage in rows]


def _figures(usage: ResourceUsage) -> str:
    cpu = (usage.cpu_user or 0.0) + (usage.cpu_system or 0.0)
    figures = (
        f"wall {usage.wall:8.2f} s  cpu {cpu:8.2f} s  memory {size_text(usage.peak_memory):>10}  "
        f"read {size_text(usage.read_bytes):>10}  written {size_text(usage.write_bytes):>10}"
    )
    return figures + (f"  OOM kills {usage.oom_kills}" if usage.oom_kills else "")


def size_text(size: int | None) -> str:
    """Return a number of bytes for people: ``3.9 MiB``; ``-`` where nothing is known."""
    if size is None:
        return "-"
    value = float(size)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            return f"{int(value)} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")
