"""Child pipelines: what they are made of and which variables they get (gitlab-ci-yml.md 3.14)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.ci.child import compile_child, forwarded_variables
from pyrunner.ci.compiler import Sources, compile_pipeline
from pyrunner.ci.event import Event, Upstream
from pyrunner.ci.files import Folder
from pyrunner.ci.plan import Pipeline, PlannedJob
from pyrunner.errors import PipelineError
from pyrunner.protocol.variables import Variable
from tests.support.known_files import KnownFiles

UPSTREAM = Upstream(11, 12, 13)


def nothing(job: str, path: str) -> str | None:
    """Return that no job has artifacts."""
    return None


def trigger_job(folder: Path, text: str, event: Event | None = None) -> PlannedJob:
    """Return the job ``j`` of a parent pipeline."""
    job = compile_pipeline(text, event or Event(), Sources(Folder(folder), KnownFiles())).job("j")
    assert job is not None
    return job


def child_of(folder: Path, job: PlannedJob) -> Pipeline:
    """Return the child of a trigger job."""
    return compile_child(job, UPSTREAM, Sources(Folder(folder), KnownFiles()), nothing)


def test_a_child_of_local_files(tmp_path: Path) -> None:
    """Several files make one configuration; the child knows its parent and its own source."""
    (tmp_path / "a.yml").write_text(
        "a: {script: s, rules: [{if: '$CI_PIPELINE_SOURCE == \"parent_pipeline\"'}]}"
    )
    (tmp_path / "b.yml").write_text("spec: {inputs: {n: {}}}\n---\n'$[[ inputs.n ]]': {script: s}")
    text = "j: {trigger: {include: [a.yml, {local: b.yml, inputs: {n: bee}}]}}"
    child = child_of(tmp_path, trigger_job(tmp_path, text))
    assert [one.name for one in child.jobs] == ["a", "bee"]
    assert child.event.upstream == UPSTREAM
    assert child.event.depth == 1


def test_a_generated_configuration(tmp_path: Path) -> None:
    """An artifact of another job is read through the caller."""
    text = (
        "g: {script: s, artifacts: {paths: [out]}}\n"
        "j: {stage: deploy, trigger: {include: [{artifact: out/x.yml, job: g}]}}"
    )
    job = trigger_job(tmp_path, text)
    files = {("g", "out/x.yml"): "made: {script: s}"}
    sources = Sources(Folder(tmp_path), KnownFiles())
    child = compile_child(job, UPSTREAM, sources, lambda name, path: files.get((name, path)))
    assert [one.name for one in child.jobs] == ["made"]
    with pytest.raises(PipelineError, match="artifacts of job `g` does not exist"):
        compile_child(job, UPSTREAM, sources, nothing)


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ("", {"A": "root-main", "B": "job", "RAW": "$A"}),
        ("forward: {yaml_variables: false}, ", {}),
        ("forward: {pipeline_variables: true}, ", {"A": "root-main", "B": "job", "RAW": "$A", "P": "given"}),
    ],
)
def test_forwarded_variables(tmp_path: Path, forward: str, expected: dict[str, str]) -> None:
    """YAML variables go along unless told otherwise, those of the pipeline only when told so."""
    text = (
        "variables: {A: root-$CI_COMMIT_REF_NAME, B: root, RAW: {value: $A, expand: false}}\n"
        f"j: {{variables: {{B: job}}, trigger: {{{forward}include: a.yml}}}}"
    )
    event = Event(pipeline_variables=(Variable("P", "given"),))
    job = trigger_job(tmp_path, text, event)
    assert {one.key: one.value for one in forwarded_variables(job)} == expected


def test_forwarded_variables_beat_the_child(tmp_path: Path) -> None:
    """They are pipeline variables of the child."""
    (tmp_path / "a.yml").write_text(
        "variables: {A: child}\na: {script: s, rules: [{if: '$A == \"parent\"'}]}"
    )
    job = trigger_job(tmp_path, "j: {variables: {A: parent}, trigger: {include: a.yml}}")
    assert [one.name for one in child_of(tmp_path, job).jobs] == ["a"]


def test_children_nest_twice(tmp_path: Path) -> None:
    """A child of a child is the last."""
    (tmp_path / "a.yml").write_text("j: {trigger: {include: a.yml}}")
    job = trigger_job(tmp_path, "j: {trigger: {include: a.yml}}")
    for _ in range(2):
        found = child_of(tmp_path, job).job("j")
        assert found is not None
        job = found
    with pytest.raises(PipelineError, match="reached_max_descendant_pipelines_depth"):
        child_of(tmp_path, job)


def test_a_child_that_rules_leave_empty(tmp_path: Path) -> None:
    """It comes back with its refusal: the trigger job fails."""
    (tmp_path / "a.yml").write_text("a: {script: s, rules: [{if: $NO}]}")
    child = child_of(tmp_path, trigger_job(tmp_path, "j: {trigger: {include: a.yml}}"))
    assert child.refusal.startswith("The resulting pipeline would have been empty.")
    assert [one.name for one in child.left_out] == ["a"]


def test_paths_use_what_the_trigger_job_sees(tmp_path: Path) -> None:
    """An instance of a matrix names its own folder, whether variables are forwarded or not."""
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ci.yml").write_text(f"{name}: {{script: s}}")
    text = """
j:
  parallel: {matrix: [{DIR: [x, y]}]}
  trigger: {include: [{local: $DIR/ci.yml}], forward: {yaml_variables: false}}
"""
    jobs = compile_pipeline(text, Event(), Sources(Folder(tmp_path), KnownFiles())).jobs
    assert [child_of(tmp_path, job).jobs[0].name for job in jobs] == ["x", "y"]
