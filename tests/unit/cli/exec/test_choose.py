"""Which jobs are run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyrunner.ci.plan import Pipeline
from pyrunner.cli.exec.choose import Chosen, choose, find_jobs
from pyrunner.cli.exec.lastrun import LastRun
from pyrunner.errors import UsageError
from tests.support.pipelines import compile_case

TEXT = """
a: {stage: build, script: s}
gate: {stage: build, script: s, when: manual}
fix: {stage: test, script: s, when: on_failure}
p: {stage: test, script: s, parallel: 2}
n: {stage: test, script: s, needs: [a]}
m: {stage: deploy, script: s, needs: [gate]}
last: {stage: deploy, script: s}
out: {stage: deploy, script: s, rules: [{if: $NEVER}]}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """A pipeline with stages, needs, a parallel job and a manual one."""
    (tmp_path / ".gitlab-ci.yml").write_text(TEXT)
    return compile_case(tmp_path, {})


def chosen(pipeline: Pipeline, *names: str, **settings: Any) -> Chosen:
    """Return what is chosen."""
    defaults: dict[str, Any] = {"with_needs": True, "manual": (), "only_failed": False, "last": None}
    return choose(pipeline, names, **{**defaults, **settings})


def jobs(found: Chosen) -> list[str]:
    """Return the names of the chosen jobs."""
    return [one.name for one in found.pipeline.jobs]


def last_run(folder: Path, **states: str) -> LastRun:
    """Return a last run; what passed has left a file."""
    (folder / "kept").write_bytes(b"zip")
    left = [
        {"type": "archive", "format": "zip", "filename": "x.zip", "file": "kept", "size": 3, "sha256": "0"}
    ]
    result = {name: {"status": state, "artifacts": left} for name, state in states.items()}
    return LastRun(folder, {"jobs": result})


def test_all(pipeline: Pipeline) -> None:
    """Without names it is all that is in the pipeline, and nothing is played."""
    found = chosen(pipeline)
    assert found.pipeline is pipeline
    assert found.auto_play == frozenset()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", ["a"]),
        ("n", ["a", "n"]),
        ("p", ["a", "p 1/2", "p 2/2"]),
        ("p 2/2", ["a", "p 2/2"]),
        ("m", ["gate", "m"]),
        ("last", ["a", "p 1/2", "p 2/2", "n", "last"]),
        ("[np]*", ["a", "p 1/2", "p 2/2", "n"]),
    ],
)
def test_with_needs(pipeline: Pipeline, name: str, expected: list[str]) -> None:
    """A job brings its needs, or the earlier stages, but for what waits for somebody or for a failure."""
    assert jobs(chosen(pipeline, name)) == expected


def test_what_is_named_is_played(pipeline: Pipeline) -> None:
    """A manual job that is named starts; one that --manual names starts beside the others."""
    assert chosen(pipeline, "gate").auto_play == {"gate"}
    found = chosen(pipeline, manual=["gate"])
    assert found.auto_play == {"gate"}
    assert "last" in jobs(found)


def test_without_needs(pipeline: Pipeline, tmp_path: Path) -> None:
    """Alone, a job gets the artifacts of the last run; what did not pass there gives none."""
    found = chosen(
        pipeline, "last", with_needs=False, last=last_run(tmp_path, a="success", n="failed", other="success")
    )
    assert jobs(found) == ["a", "last"]
    assert list(found.done) == ["a"]
    assert [one.filename for one in found.done["a"]] == ["x.zip"]
    assert jobs(chosen(pipeline, "last", with_needs=False)) == ["last"]


def test_nothing_waits_for_what_is_not_run(pipeline: Pipeline) -> None:
    """Needs on jobs that were not chosen are dropped."""
    job = chosen(pipeline, "n", with_needs=False).pipeline.jobs[0]
    assert job.needs == ()
    assert job.waits_for == ()


def test_only_failed(pipeline: Pipeline, tmp_path: Path) -> None:
    """What passed in the last run is done; what did not runs; what was not part of it stays out."""
    last = last_run(tmp_path, a="success", n="failed", last="skipped")
    found = chosen(pipeline, only_failed=True, last=last)
    assert jobs(found) == ["a", "n", "last"]
    assert list(found.done) == ["a"]
    with pytest.raises(UsageError, match="no earlier run"):
        chosen(pipeline, only_failed=True)
    with pytest.raises(UsageError, match="passed"):
        chosen(pipeline, only_failed=True, last=last_run(tmp_path, a="success"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lats", "did you mean last?"),
        ("zzzzzz", "--list shows them"),
        ("out", "out is not in this pipeline"),
    ],
)
def test_unknown_names(pipeline: Pipeline, name: str, message: str) -> None:
    """A name that no job has is refused with what helps."""
    with pytest.raises(UsageError) as caught:
        find_jobs(pipeline, name)
    assert message in str(caught.value)


def test_to_be_played_in_a_child_pipeline(pipeline: Pipeline, tmp_path: Path) -> None:
    """What its jobs are called is not known before it is made; without any, an unknown name is a mistake."""
    with pytest.raises(UsageError, match="there is no job later"):
        chosen(pipeline, manual=["later"])
    (tmp_path / ".gitlab-ci.yml").write_text(TEXT + "t: {trigger: {include: child.yml}}\n")
    found = chosen(compile_case(tmp_path, {}), manual=["later", "gate"])
    assert found.in_children == ("later", "gate")
    assert found.auto_play == frozenset({"gate"})


def test_to_be_played_beside_named_jobs(pipeline: Pipeline) -> None:
    """Who says that a manual job is to be played wants it to run, whatever else is named."""
    found = chosen(pipeline, "n", manual=["gate"])
    assert jobs(found) == ["a", "gate", "n"]
    assert found.auto_play == {"gate", "n"}
