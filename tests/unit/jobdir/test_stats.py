"""stats.json as whoever counts reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.jobdir.stats import load_stats
from pyrunner.supervisor.report import store_stats
from pyrunner.system.usage import ResourceUsage


def test_what_the_supervisor_writes(tmp_path: Path) -> None:
    """Every figure comes back."""
    usages = [
        ("get_sources", ResourceUsage(wall=1.0)),
        ("step_script", ResourceUsage(wall=2.0, cpu_user=1.0)),
    ]
    store_stats(tmp_path / "s", usages, 10.0, 20.0, {"cache": {"hit": 1}, "interpolations": 2})
    stats = load_stats(tmp_path / "s")
    assert stats is not None
    assert stats.stages == tuple(usages)
    assert (stats.started_at, stats.ended_at, stats.usage.wall) == (10.0, 20.0, 3.0)
    assert (stats.cache, stats.interpolations) == ({"hit": 1}, 2)


def test_files_of_a_former_version(tmp_path: Path) -> None:
    """Without the newer figures."""
    store_stats(tmp_path / "s", [("step_script", ResourceUsage(wall=2.0))], 10.0, 20.0)
    stats = load_stats(tmp_path / "s")
    assert stats is not None
    assert (stats.cache, stats.interpolations) == ({}, 0)


def test_no_file(tmp_path: Path) -> None:
    """A job without stages has none."""
    assert load_stats(tmp_path / "none") is None


@pytest.mark.parametrize(
    "value", [[], {}, {"started_at": "x"}, {"started_at": 1, "ended_at": 1, "stages": [1]}]
)
def test_nonsense(tmp_path: Path, value: object) -> None:
    """An error that names the file."""
    (tmp_path / "s").write_text(json.dumps(value))
    with pytest.raises(JobDirError, match="/s: not a job's statistics"):
        load_stats(tmp_path / "s")
