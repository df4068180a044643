"""Files as projects have them, each with the plans that events make of it, reviewed line by line.

``expected.txt`` is what a person has read and found right: when it changes, read it again. To write it
anew: ``python -m tests.unit.ci.test_files``.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from pyrunner.ci.facts import JobFacts
from pyrunner.ci.payload import make_payload
from pyrunner.protocol.job import decode_job
from tests.support.pipelines import compile_case, repository_of, summary

FILES = Path(__file__).resolve().parents[2] / "cases" / "ci-files"
FOLDERS = sorted(FILES.iterdir())


def cases(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the events of a file by name, with what the repository has then."""
    written = json.loads((folder / "events.json").read_text())
    return {name: {**one, "event": one} for name, one in written.items()}


def plans(folder: Path) -> str:
    """Return the summaries of all events of a file."""
    lines: list[str] = []
    for name, case in cases(folder).items():
        lines += [f"== {name}", *summary(compile_case(folder, case)), ""]
    return "\n".join(lines)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.name)
def test_plan(folder: Path) -> None:
    """Every event makes the pipeline that was reviewed."""
    assert plans(folder) == (folder / "expected.txt").read_text()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.name)
def test_payloads_decode(folder: Path) -> None:
    """Every job's payload is one that the runner takes, with variables that shells can have."""
    for case in cases(folder).values():
        for job in compile_case(folder, case).jobs:
            facts = JobFacts(1, "token", 2, "http://host/p.git", release=True)
            sent = json.loads(json.dumps(make_payload(job, facts, repository_of(case))))
            taken = decode_job(sent)
            assert taken.job_info.name == job.name
            assert taken.job_info.stage == job.stage
            assert job.trigger is not None or any(step.script for step in taken.steps)


def test_three_hundred_jobs_take_half_a_second() -> None:
    """Six files, 300 jobs, rules for each: CPU time, for other tests run beside this one."""
    folder = FILES / "three-hundred-jobs"
    case = cases(folder)["tag"]
    start = time.process_time()
    pipeline = compile_case(folder, case)
    assert len(pipeline.jobs) == 300
    assert time.process_time() - start < 0.5


if __name__ == "__main__":
    for one in FOLDERS:
        (one / "expected.txt").write_text(plans(one))
