"""stats.json and the section "Resource usage" (tristan-layout.md 5)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrunner.supervisor.report import size_text, store_stats, total, usage_lines
from pyrunner.system.usage import ResourceUsage

SOURCES = ResourceUsage(1.0, 0.5, 0.25, 4096, 100, None, 0, "rusage")
SCRIPT = ResourceUsage(2.5, 1.0, 0.5, 1024, 50, 2048, 1, "cgroup")
USAGES = [("get_sources", SOURCES), ("step_script", SCRIPT)]


def test_a_jobs_use_is_that_of_its_stages() -> None:
    """Times and bytes add up, the peak is the highest."""
    job = total(USAGES)
    assert (job.wall, job.cpu_user, job.cpu_system) == (3.5, 1.5, 0.75)
    assert (job.peak_memory, job.read_bytes, job.write_bytes, job.oom_kills) == (4096, 150, 2048, 1)
    assert total([]) == ResourceUsage()


def test_lines() -> None:
    """One a stage and the job's, in columns; a kill for want of memory is named where there was one."""
    assert usage_lines(USAGES) == [
        "get_sources  wall     1.00 s  cpu     0.75 s  memory    4.0 KiB  read      100 B  written "
        "         -",
        "step_script  wall     2.50 s  cpu     1.50 s  memory    1.0 KiB  read       50 B  written    2.0 KiB"
        "  OOM kills 1",
        "job          wall     3.50 s  cpu     2.25 s  memory    4.0 KiB  read      150 B  written    2.0 KiB"
        "  OOM kills 1",
    ]


def test_lines_of_a_job_whose_use_nobody_measured() -> None:
    """What is not known is not shown as nothing."""
    (stage, job) = usage_lines([("prepare_script", ResourceUsage(wall=1.0))])
    assert stage.count(" -") == job.count(" -") == 3


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (4_100_000, "3.9 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (5 * 1024**4, "5.0 TiB"),
        (5000 * 1024**4, "5000.0 TiB"),
    ],
)
def test_sizes(size: int | None, text: str) -> None:
    """For people: one decimal, powers of 1024."""
    assert size_text(size) == text


def test_stats(tmp_path: Path) -> None:
    """Every attempt with its figures, the job's sum, and when it was."""
    path = tmp_path / "stats.json"
    store_stats(path, [*USAGES, ("step_script", SCRIPT)], 100.0, 200.0)
    stats = json.loads(path.read_text())
    assert [one["stage"] for one in stats["stages"]] == ["get_sources", "step_script", "step_script"]
    assert stats["stages"][0]["peak_memory"] == 4096
    assert (stats["started_at"], stats["ended_at"]) == (100.0, 200.0)
    assert stats["job"]["wall"] == 6.0
    assert ResourceUsage.from_dict(stats["job"]) == total([*USAGES, ("step_script", SCRIPT)])
