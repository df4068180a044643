"""Child pipelines (gitlab-ci-yml.md 3.14)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.coordinator.pipelines.status import Status
from tests.support.pipeline_service import Lab

CHILD = "c: {script: s}\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A service without runners, and a child's file."""
    made = Lab(tmp_path)
    made.write("child.yml", CHILD)
    yield made
    made.service.close()


def test_without_strategy(lab: Lab) -> None:
    """The trigger job has passed as soon as the child is there; the child's end changes nothing."""
    pipeline = lab.begin("t: {trigger: {include: child.yml}}")
    assert lab.states(pipeline) == {"t": "success"}
    assert not lab.service.at_rest(pipeline)
    lab.end(pipeline, "c", 1)
    assert lab.state(pipeline) is Status.SUCCESS
    assert lab.service.at_rest(pipeline)


@pytest.mark.parametrize(("code", "expected"), [(0, "success"), (1, "failed")])
def test_depend(lab: Lab, code: int, expected: str) -> None:
    """With ``depend`` the trigger job runs as long as the child, and ends as it does."""
    pipeline = lab.begin(
        "{t: {stage: build, trigger: {include: child.yml, strategy: depend}}, l: {script: s}}"
    )
    assert lab.states(pipeline) == {"t": "running", "l": "created"}
    lab.end(pipeline, "c", code)
    assert lab.states(pipeline)["t"] == expected
    assert lab.states(pipeline)["l"] == ("pending" if code == 0 else "skipped")


def test_mirror(lab: Lab) -> None:
    """With ``mirror`` the trigger job shows what the child is, a manual gate included."""
    lab.write("child.yml", "c: {script: s, when: manual, allow_failure: false}\n")
    pipeline = lab.begin("t: {trigger: {include: child.yml, strategy: mirror}}")
    assert lab.states(pipeline) == {"t": "manual"}
    lab.service.play(lab.latest(pipeline, children=True)["c"].id)
    lab.end(pipeline, "c")
    assert lab.states(pipeline) == {"t": "success"}


def test_variables_and_upstream(lab: Lab) -> None:
    """The child knows who started it, and the trigger job's variables beat its own."""
    lab.write("child.yml", "{variables: {A: own}, c: {script: s}}")
    pipeline = lab.begin("t: {variables: {A: given}, trigger: {include: child.yml}}")
    sent = {one["key"]: one["value"] for one in lab.payload(pipeline, "c")["variables"]}
    assert sent["A"] == "given"
    assert sent["CI_PIPELINE_SOURCE"] == "parent_pipeline"
    assert sent["CI_UPSTREAM_PIPELINE_ID"] == str(pipeline)
    assert sent["CI_UPSTREAM_JOB_ID"] == str(lab.latest(pipeline)["t"].id)


@pytest.mark.parametrize(
    ("child", "message"),
    [
        ("c: {stage: nowhere, script: s}", "chosen stage nowhere does not exist"),
        ("c: {script: s, rules: [{when: never}]}", "would have been empty"),
    ],
)
def test_child_that_cannot_be(lab: Lab, child: str, message: str) -> None:
    """YAML that is refused, and an empty pipeline, fail the trigger job, which says why."""
    lab.write("child.yml", child)
    pipeline = lab.begin("t: {trigger: {include: child.yml}}")
    job = lab.latest(pipeline)["t"]
    assert (job.status, job.failure_reason) == (Status.FAILED, "downstream_pipeline_creation_failed")
    assert message in job.message


def test_depth(lab: Lab) -> None:
    """A child's child may be; a third level is refused."""
    for level in range(1, 4):
        lab.write(f"level{level}.yml", f"t{level}: {{trigger: {{include: level{level + 1}.yml}}}}")
    lab.write("level4.yml", CHILD)
    pipeline = lab.begin("t: {trigger: {include: level1.yml}}")
    jobs = lab.latest(pipeline, children=True)
    assert jobs["t1"].status is Status.SUCCESS
    assert jobs["t2"].failure_reason == "reached_max_descendant_pipelines_depth"
    assert "t3" not in jobs


def test_generated_configuration(lab: Lab, tmp_path: Path) -> None:
    """A child's YAML can come from another job's archive."""
    archive = tmp_path / "artifacts.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("out/gen.yml", "generated: {script: s}")
    text = """
        make: {stage: build, script: s, artifacts: {paths: [out]}}
        t: {trigger: {include: [{artifact: out/gen.yml, job: make}]}}
    """
    pipeline = lab.begin(text)
    lab.end(pipeline, "make", artifacts={"archive": archive})
    assert "generated" in lab.latest(pipeline, children=True)


def test_cancel_reaches_children(lab: Lab) -> None:
    """A cancelled pipeline takes the children of its running trigger jobs along."""
    pipeline = lab.begin("t: {trigger: {include: child.yml, strategy: depend}}")
    lab.service.cancel(pipeline)
    lab.step()
    jobs = lab.latest(pipeline, children=True)
    assert (jobs["t"].status, jobs["c"].status) == (Status.CANCELED, Status.CANCELED)


def test_trigger_of_another_project(tmp_path: Path) -> None:
    """A pipeline elsewhere is not run: its trigger passes and says so, or fails where that is wanted."""
    (tmp_path / "lax").mkdir()
    (tmp_path / "strict").mkdir()
    lax, strict = Lab(tmp_path / "lax"), Lab(tmp_path / "strict", strict_triggers=True)
    text = "t: {trigger: other/project}"
    jobs = [one.latest(one.begin(text))["t"] for one in (lax, strict)]
    assert [one.status for one in jobs] == [Status.SUCCESS, Status.FAILED]
    assert all("other/project" in one.message for one in jobs)
    lax.service.close()
    strict.service.close()
