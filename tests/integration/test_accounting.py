"""Resource use is measured, not guessed (tristan-layout.md 5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.jobs import PlacedJob

pytestmark = pytest.mark.integration

_GREEDY = "python3 -c \"import time; a = b'x' * 80_000_000; time.sleep(3)\""


def figures(job: PlacedJob) -> dict[str, dict[str, Any]]:
    """Return the resource use of each stage, and of the job."""
    value = json.loads(job.control.stats.read_text())
    return {**{one["stage"]: one for one in value["stages"]}, "job": value["job"]}


def test_a_script_is_accounted_for(tmp_path: Path) -> None:
    """Time and memory of the script are in stats.json; the job's are the sum and the peak."""
    job = PlacedJob.place(tmp_path, script=[_GREEDY, "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"])
    assert job.finish().state == "success"
    found = figures(job)
    assert found["step_script"]["peak_memory"] > 80_000_000
    assert found["step_script"]["cpu_user"] > 0.1
    assert found["job"]["peak_memory"] == max(one["peak_memory"] or 0 for one in found.values())
    assert "resource_usage" in job.sections()


def test_a_stage_without_a_cgroup_is_sampled(tmp_path: Path) -> None:
    """A stage that no cgroup counts for is sampled; the memory of its wrapper does not count."""
    job = PlacedJob.place(
        tmp_path,
        script=["true"],
        repo_url=f"file://{tmp_path}/nowhere.git",
        runner={"pre_get_sources_script": _GREEDY},
    )
    job.finish()
    assert 80_000_000 < figures(job)["get_sources"]["peak_memory"] < 200_000_000
    assert (figures(job)["prepare_script"]["peak_memory"] or 0) < 12_000_000


def test_the_report_can_be_switched_off(tmp_path: Path) -> None:
    """`usage_report = false` leaves the trace as gitlab-runner's; stats.json is written all the same."""
    job = PlacedJob.place(tmp_path, script=["true"], runner={"tristan": {"usage_report": False}})
    assert job.finish().state == "success"
    assert "resource_usage" not in job.sections()
    assert figures(job)["job"]["wall"] > 0
