"""The acceptance cases of gitlab-ci-yml.md 8: a folder each, with input and expected plan or error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyrunner.ci.files import Folder
from pyrunner.ci.lint import lint
from pyrunner.ci.locations import IncludeContext
from pyrunner.errors import PipelineError
from tests.support.pipelines import compile_case, describe

CASES = Path(__file__).resolve().parents[2] / "cases" / "ci"


def variants(*, by_event: bool) -> list[Any]:
    """Return the variants of all cases, or those whose outcome depends on no event."""
    return [
        pytest.param(folder, variant, id=f"{folder.name}-{index}")
        for folder in sorted(CASES.iterdir())
        for index, variant in enumerate(json.loads((folder / "expected.json").read_text())["variants"])
        if by_event or not {"event", "changed"} & set(variant)
    ]


@pytest.mark.parametrize(("folder", "case"), variants(by_event=True))
def test_case(folder: Path, case: dict[str, Any]) -> None:
    """A case gives its error, or its jobs in order with all that it says about them."""
    if "error" in case:
        with pytest.raises(PipelineError) as caught:
            compile_case(folder, case)
        assert caught.value.message == case["error"]
        return
    pipeline = compile_case(folder, case)
    assert pipeline.refusal == case.get("refusal", "")
    if "jobs" in case:
        assert [one.name for one in pipeline.jobs] == list(case["jobs"])
        for job in pipeline.jobs:
            expected = case["jobs"][job.name]
            found = describe(job, case)
            shown = {
                key: {name: found[key].get(name) for name in value} if key == "sent" else found[key]
                for key, value in expected.items()
            }
            assert shown == expected, job.name
    if "stages" in case:
        assert list(pipeline.stages) == case["stages"]


@pytest.mark.parametrize(("folder", "case"), variants(by_event=False))
def test_lint_agrees(folder: Path, case: dict[str, Any]) -> None:
    """What lint refuses is refused, and what it accepts fails for reasons of the event only."""
    name = case.get("file", ".gitlab-ci.yml")
    context = IncludeContext(Folder(folder), None, {})
    found = lint((folder / name).read_text(), name, context, case.get("inputs"))
    errors = [one.message for one in found if not one.warning]
    if "error" in case and not case.get("by_event"):
        assert errors[:1] == [case["error"]]
    else:
        assert errors == []
