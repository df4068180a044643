"""Events against configurations: what no acceptance case says (gitlab-ci-yml.md 3, 6.4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.ci.compiler import Sources, compile_pipeline
from pyrunner.ci.event import Commit, Event, Project
from pyrunner.ci.files import Folder
from pyrunner.ci.plan import Pipeline
from pyrunner.errors import PipelineError
from pyrunner.protocol.variables import Variable
from tests.support.known_files import KnownFiles


def compiled(text: str, event: Event | None = None, folder: Path = Path("/nonexistent")) -> Pipeline:
    """Return the pipeline of a text for an event, a push to main unless given."""
    sources = Sources(Folder(folder), KnownFiles(), Folder(folder / "elsewhere"))
    return compile_pipeline(text, event or Event(), sources)


def names(pipeline: Pipeline) -> list[str]:
    """Return the names of the jobs."""
    return [one.name for one in pipeline.jobs]


def test_every_job_left_out_says_why() -> None:
    """The reason names the rule, by line, or the policy."""
    text = """
a: {script: s, rules: [{if: $NO}]}
b:
  script: s
  rules:
    - if: $CI_COMMIT_BRANCH
      when: never
c: {script: s, only: [tags]}
d: {script: s, except: [main]}
e: {script: s}
"""
    pipeline = compiled(text)
    assert names(pipeline) == ["e"]
    assert {one.name: one.reason for one in pipeline.left_out} == {
        "a": "rules: the only rule does not match (if $NO)",
        "b": "rules, line 6: if $CI_COMMIT_BRANCH, when: never",
        "c": "only:refs does not match (branch main, source push)",
        "d": "except:refs matches (branch main, source push)",
    }


@pytest.mark.parametrize("message", ["x [ci skip]", "[SKIP CI]", "a\n\n[ci-skip]", "[skip_ci]"])
def test_skipped_only_when_asked(message: str) -> None:
    """The wish of a commit message counts where the caller wants it to (6.4)."""
    event = Event(commit=Commit(message=message))
    assert names(compiled("a: {script: s}", event)) == ["a"]
    sources = Sources(Folder(Path("/nonexistent")), KnownFiles())
    pipeline = compile_pipeline("a: {script: s}", event, sources, honor_skip=True)
    assert pipeline.jobs == ()
    assert pipeline.refusal


def test_workflow_settings() -> None:
    """Name, auto_cancel and variables of the matching rule; job variables beat them (3.4)."""
    text = """
workflow:
  name: "P $A"
  auto_cancel: {on_new_commit: none, on_job_failure: all}
  rules: [{if: $NO}, {variables: {A: rule}, auto_cancel: {on_new_commit: interruptible}}]
variables: {A: root}
j: {script: s, variables: {B: $A}}
k: {script: s, inherit: {variables: false}}
"""
    pipeline = compiled(text)
    assert pipeline.name == "P rule"
    assert (pipeline.on_new_commit, pipeline.on_job_failure) == ("interruptible", "all")
    assert pipeline.variables["A"].value == "rule"
    assert {key: one.value for key, one in pipeline.jobs[0].variables.items()} == {"A": "rule", "B": "$A"}
    assert pipeline.jobs[1].variables == {}


def test_environment_is_known_to_rules() -> None:
    """Its name is expanded before the rules are tried, and again with the variables of the rule."""
    text = """
j:
  script: s
  variables: {WHERE: a}
  environment: {name: "review/$WHERE", url: "https://$CI_ENVIRONMENT_SLUG", auto_stop_in: "$DAYS days"}
  rules: [{if: $CI_ENVIRONMENT_NAME == "review/a", variables: {WHERE: b, DAYS: "2"}}]
"""
    environment = compiled(text).jobs[0].environment
    assert environment is not None
    assert (environment.name, environment.auto_stop_in) == ("review/b", "2 days")
    assert environment.url == f"https://{environment.slug}"


def test_rules_of_matrix_instances_differ() -> None:
    """Each instance is decided with its own variables."""
    text = "j: {script: s, parallel: {matrix: [{A: [x, y]}]}, rules: [{if: $A == 'y', allow_failure: true}]}"
    pipeline = compiled(text)
    assert [(one.name, one.allow_failure) for one in pipeline.jobs] == [("j: [y]", True)]
    assert [one.name for one in pipeline.left_out] == ["j: [x]"]


def test_rules_do_not_see_job_ids() -> None:
    """Layers 1, 6 and 9 are not there while the pipeline is made (5.1)."""
    hidden = ["CI_JOB_ID", "CI_JOB_TOKEN", "CI_PIPELINE_ID", "CI_PIPELINE_URL", "CI_RUNNER_ID"]
    rules = ", ".join(f"{{if: ${name}}}" for name in hidden)
    assert compiled(f"a: {{script: s, rules: [{rules}]}}\nb: {{script: s}}").left_out[0].name == "a"
    shown = "CI_JOB_NAME CI_JOB_STAGE CI_PIPELINE_IID CI_PROJECT_PATH GITLAB_USER_LOGIN CI_NODE_TOTAL"
    condition = " && ".join(f"${name}" for name in shown.split())
    assert names(compiled(f"a: {{script: s, rules: [{{if: {condition}}}]}}")) == ["a"]


def test_includes_see_early_variables_only(tmp_path: Path) -> None:
    """Those of the file and of jobs are not known to includes; pipeline variables are (2.2)."""
    (tmp_path / "yes.yml").write_text("a: {script: s}")
    text = (
        "variables: {V: yes}\ninclude: [{local: $W.yml}, {local: no.yml, rules: [{if: $V}]}]\nb: {script: s}"
    )
    event = Event(pipeline_variables=(Variable("W", "yes"),))
    assert names(compiled(text, event, tmp_path)) == ["a", "b"]


def test_needs_of_other_pipelines() -> None:
    """They are listed apart, expanded, and nobody waits for them (3.6)."""
    text = "j: {script: s, needs: [{pipeline: $UP, job: b, artifacts: true}]}"
    job = compiled(text, Event(pipeline_variables=(Variable("UP", "42"),))).jobs[0]
    assert (job.needs, job.waits_for) == ((), ())
    assert [(one.pipeline, one.job) for one in job.pipeline_needs] == [("42", "b")]


def test_mirroring_another_pipeline() -> None:
    """A job with nothing but ``needs:pipeline`` mirrors it, in the order of stages."""
    pipeline = compiled("a: {stage: build, script: s}\nj: {needs: {pipeline: g/p}}")
    job = pipeline.jobs[1]
    assert job.trigger is not None
    assert (job.trigger.mirrors, job.needs, job.waits_for) == ("g/p", None, ("a",))
    assert [one.message for one in pipeline.warnings] == ["j: the pipeline of g/p is not run here"]


def test_needed_trigger_jobs_give_no_artifacts() -> None:
    """A trigger job is waited for, and has no archive."""
    text = """
t: {stage: build, trigger: {include: x.yml}}
a: {stage: build, script: s}
j: {script: s, needs: [t, a]}
"""
    job = compiled(text).jobs[2]
    assert (job.waits_for, job.artifacts_from) == (("t", "a"), ("a",))


def test_kubernetes_and_forks() -> None:
    """``kubernetes: active`` asks the event, a ref with a path the project."""
    text = "a: {script: s, only: {kubernetes: active}}\nb: {script: s, only: [main@g/p]}\nc: {script: s}"
    assert names(compiled(text)) == ["c"]
    event = Event(kubernetes_active=True, project=Project(path="g/p"))
    assert names(compiled(text, event)) == ["a", "b", "c"]


def test_retry_policies() -> None:
    """``when`` is always, but nothing once exit codes are given (3.8)."""
    text = "a: {script: s, retry: 1}\nb: {script: s, retry: {max: 2, exit_codes: 3}}\nc: {script: s}"
    found = [(one.retry.max, one.retry.when, one.retry.exit_codes) for one in compiled(text).jobs]
    assert found == [(1, ("always",), ()), (2, (), (3,)), (0, ("always",), ())]


def test_files_of_another_project(tmp_path: Path) -> None:
    """``exists:project`` looks into the folder for included files, and says so when it is not there."""
    text = "a: {script: s, rules: [{exists: {paths: [Makefile], project: g/p, ref: v1}}]}"
    with pytest.raises(PipelineError, match="files of `g/p` at `v1` are not available offline"):
        compiled(text, folder=tmp_path)
    folder = tmp_path / "elsewhere" / "project" / "g" / "p" / "v1"
    folder.mkdir(parents=True)
    (folder / "Makefile").write_text("")
    assert names(compiled(text, folder=tmp_path)) == ["a"]


def test_an_error_of_yaml_has_its_place() -> None:
    """What lint would say is raised with file, line and hint."""
    with pytest.raises(PipelineError) as caught:
        compiled("j:\n  script: s\n  retry: 3\n")
    assert (caught.value.line, caught.value.column) == (3, 3)


NAMES = ("a", "b", "c", "d", "e", "f")
JOB = st.fixed_dictionaries(
    {"script": st.just("s"), "stage": st.sampled_from(["build", "test", "deploy"])},
    optional={
        "needs": st.lists(
            st.fixed_dictionaries({"job": st.sampled_from(NAMES)}, optional={"optional": st.booleans()}),
            max_size=3,
        ),
        "dependencies": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        "parallel": st.one_of(
            st.integers(1, 3),
            st.builds(
                lambda row: {"matrix": [row]},
                st.dictionaries(
                    st.sampled_from("XY"), st.lists(st.sampled_from("pq"), max_size=2), min_size=1
                ),
            ),
        ),
        "when": st.sampled_from(["manual", "always", "on_failure"]),
        "rules": st.lists(
            st.fixed_dictionaries(
                {}, optional={"if": st.sampled_from(["$NO", "$CI"]), "when": st.just("never")}
            ).filter(bool),
            min_size=1,
            max_size=2,
        ),
    },
)


@given(st.dictionaries(st.sampled_from(NAMES), JOB, min_size=1))
def test_any_pipeline_can_be_run(jobs: dict[str, Any]) -> None:
    """What is not refused places every job once, in or out, in a graph that has an order."""
    try:
        pipeline = compiled(json.dumps(jobs))
    except PipelineError:
        return
    placed = [one.name for one in pipeline.jobs] + [one.name for one in pipeline.left_out]
    assert len(placed) == len(set(placed))
    graph = pipeline.graph
    done: set[str] = set()
    while len(done) < len(graph):
        ready = {name for name, waits in graph.items() if name not in done and set(waits) <= done}
        assert ready, "a circle"
        done |= ready
    order = list(graph)
    for job in pipeline.jobs:
        assert set(job.waits_for) <= set(order)
        assert set(job.artifacts_from) <= set(job.waits_for)
        assert list(job.artifacts_from) == sorted(job.artifacts_from, key=order.index)
    assert pipeline.stages == tuple(dict.fromkeys(one.stage for one in pipeline.jobs))
