"""Planned jobs survive a database: what a runner gets of them is the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrunner.ci.facts import JobFacts
from pyrunner.ci.payload import make_payload
from pyrunner.ci.plan import PlannedJob
from pyrunner.coordinator.pipelines.codec import from_plain, to_plain
from tests.support.pipelines import compile_case, repository_of
from tests.unit.ci.test_files import FOLDERS, cases


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.name)
def test_payloads_are_the_same(folder: Path) -> None:
    """Through JSON and back, every job of the sample files makes the same payload and decides the same."""
    case = next(iter(cases(folder).values()))
    pipeline = compile_case(folder, case)
    assert pipeline.jobs or pipeline.refusal
    for job in pipeline.jobs:
        back = from_plain(PlannedJob, json.loads(json.dumps(to_plain(job))))
        assert (back.name, back.needs, back.retry, back.environment, back.event) == (
            job.name,
            job.needs,
            job.retry,
            job.environment,
            job.event,
        )
        assert back.variables == dict(job.variables)
        assert back.waits_for == job.waits_for
        assert back.position == job.position
        if job.trigger is not None:
            assert back.trigger is not None
            assert back.trigger.includes == job.trigger.includes
            assert back.trigger.strategy == job.trigger.strategy
            continue
        facts = JobFacts(7, "token", 9, "http://host/p.git")
        assert make_payload(back, facts, repository_of(case)) == make_payload(job, facts, repository_of(case))
