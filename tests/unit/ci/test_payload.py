"""A planned job as a runner gets it (gitlab-ci-yml.md 5, 7)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyrunner.ci.compiler import Sources, compile_pipeline
from pyrunner.ci.event import Commit, Event, MergeRequest, Project, Setting, User
from pyrunner.ci.facts import JobFacts, RunnerFacts
from pyrunner.ci.files import Folder
from pyrunner.ci.payload import make_payload
from pyrunner.ci.plan import PlannedJob
from pyrunner.protocol.job import decode_job
from pyrunner.protocol.variables import Variable
from tests.support.known_files import KnownFiles

SOURCES = Sources(Folder(Path("/nonexistent")), KnownFiles())
FACTS = JobFacts(7, "s3cret", 9, "http://u:s3cret@host/g/p.git")
PROJECT = Project(path="g/s/p", server_url="https://git.example.com:8443", registry="reg.example.com")


def job_of(text: str, event: Event | None = None, name: str = "j") -> PlannedJob:
    """Return one job of a pipeline."""
    job = compile_pipeline(text, event or Event(project=PROJECT), SOURCES).job(name)
    assert job is not None
    return job


def sent(job: PlannedJob, facts: JobFacts = FACTS) -> dict[str, Any]:
    """Return the payload after a trip through JSON."""
    payload: dict[str, Any] = json.loads(json.dumps(make_payload(job, facts, KnownFiles())))
    decode_job(payload)
    return payload


def values(payload: dict[str, Any]) -> dict[str, str]:
    """Return the variables that a job ends up with."""
    return {one["key"]: one["value"] for one in payload["variables"]}


def test_layers_in_order() -> None:
    """Of equal names the last wins: YAML, dotenv, project, pipeline, schedule, play (5.1)."""
    names = ["ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX"]
    yaml = f"variables: {{{', '.join(f'{name}: yaml' for name in names)}}}\nj: {{script: s}}"

    def layer(label: str, upto: list[str]) -> tuple[Variable, ...]:
        return tuple(Variable(name, label) for name in upto)

    event = Event(
        project=PROJECT,
        settings=(tuple(Setting(one) for one in layer("project", names[2:])),),
        pipeline_variables=layer("pipeline", names[3:]),
        schedule_variables=layer("schedule", names[4:]),
    )
    facts = replace(FACTS, dotenv=layer("dotenv", names[1:]), manual_variables=layer("played", names[5:]))
    found = values(sent(job_of(yaml, event), facts))
    assert [found[name] for name in names] == ["yaml", "dotenv", "project", "pipeline", "schedule", "played"]


def test_secrets_are_not_public() -> None:
    """Tokens and what comes from settings are private; tokens are masked, and never expanded (7.1)."""
    event = Event(project=PROJECT, settings=((Setting(Variable("KEY", "k$A", masked=True, file=True)),),))
    variables = "{A: b, C: {value: $A, expand: false}}"
    text = f"j: {{script: s, variables: {variables}, id_tokens: {{T: {{aud: x}}, U: {{aud: y}}}}}}"
    payload = sent(job_of(text, event), replace(FACTS, id_tokens={"T": "jwt"}))
    found = {one["key"]: one for one in payload["variables"]}
    for name in ("CI_JOB_TOKEN", "CI_REGISTRY_PASSWORD", "CI_REPOSITORY_URL", "KEY", "T"):
        assert found[name]["public"] is False, name
    assert all(found[name]["masked"] for name in ("CI_JOB_TOKEN", "CI_REGISTRY_PASSWORD", "KEY", "T"))
    assert found["KEY"]["file"] is True
    assert "file" not in found["A"]
    assert found["C"] == {"key": "C", "value": "$A", "public": True, "masked": False, "raw": True}
    assert "U" not in found
    assert not any("s3cret" in one["value"] for one in payload["variables"] if one["public"])


def test_scoped_and_protected_settings() -> None:
    """A protected variable needs a protected ref, a scoped one its environment; the nearer scope wins."""
    settings = (
        Setting(Variable("A", "prod"), environment_scope="prod/*"),
        Setting(Variable("A", "any")),
        Setting(Variable("P", "yes"), protected=True),
        Setting(Variable("S", "staging"), environment_scope="staging"),
    )
    text = "j: {script: s, environment: prod/eu}\nk: {script: s}"
    event = Event(project=PROJECT, settings=(settings,))
    found = values(sent(job_of(text, event)))
    assert (found["A"], found["P"], "S" in found) == ("prod", "yes", False)
    assert values(sent(job_of(text, event, "k")))["A"] == "any"
    assert "P" not in values(sent(job_of(text, replace(event, ref="wip"))))


def test_predefined_variables_of_a_branch() -> None:
    """Names, slugs and addresses follow from the event (5.4)."""
    commit = Commit("abcdef0123456789", "1" * 40, "A title\nmore\ntext", "N <n@x>", "2024-01-02T03:04:05Z")
    event = Event(ref="Feature/X", commit=commit, project=PROJECT, user=User("me", "My Self", "me@x", 5))
    found = values(sent(job_of("j: {script: s, parallel: {matrix: [{A: [x]}]}}", event, "j: [x]")))
    expected = {
        "CI_COMMIT_SHORT_SHA": "abcdef01",
        "CI_COMMIT_BEFORE_SHA": "1" * 40,
        "CI_COMMIT_REF_SLUG": "feature-x",
        "CI_COMMIT_BRANCH": "Feature/X",
        "CI_COMMIT_TITLE": "A title",
        "CI_COMMIT_DESCRIPTION": "more\ntext",
        "CI_COMMIT_REF_PROTECTED": "false",
        "CI_JOB_NAME": "j: [x]",
        "CI_JOB_NAME_SLUG": "j---x",
        "CI_JOB_GROUP_NAME": "j",
        "CI_JOB_STAGE": "test",
        "CI_JOB_ID": "7",
        "CI_PIPELINE_ID": "9",
        "CI_NODE_INDEX": "1",
        "CI_PROJECT_NAME": "p",
        "CI_PROJECT_NAMESPACE": "g/s",
        "CI_PROJECT_ROOT_NAMESPACE": "g",
        "CI_PROJECT_PATH_SLUG": "g-s-p",
        "CI_SERVER_FQDN": "git.example.com:8443",
        "CI_SERVER_PORT": "8443",
        "CI_API_V4_URL": "https://git.example.com:8443/api/v4",
        "CI_REGISTRY_IMAGE": "reg.example.com/g/s/p",
        "GITLAB_USER_LOGIN": "me",
        "GITLAB_USER_NAME": "My Self",
        "CI_JOB_URL": "https://git.example.com:8443/g/s/p/-/jobs/7",
    }
    assert {name: found.get(name) for name in expected} == expected
    assert not {"CI_COMMIT_TAG", "CI_JOB_MANUAL", "CI_MERGE_REQUEST_IID", "CI_OPEN_MERGE_REQUESTS"} & set(
        found
    )


def test_tags_and_merge_requests() -> None:
    """A tag pipeline has no branch, that of a merge request neither; both have their own ref (5.4, 7.1)."""
    tag = Event(ref="v1", tag=True, tag_message="hello", project=PROJECT)
    payload = sent(job_of("j: {script: s}", tag))
    found = values(payload)
    assert (found["CI_COMMIT_TAG"], found["CI_COMMIT_TAG_MESSAGE"]) == ("v1", "hello")
    assert "CI_COMMIT_BRANCH" not in found
    assert payload["git_info"]["ref_type"] == "tag"
    assert payload["git_info"]["refspecs"] == [
        "+refs/pipelines/9:refs/pipelines/9",
        "+refs/tags/v1:refs/tags/v1",
    ]
    request = MergeRequest("main", "topic", iid=4, labels=("a", "b"), description="d" * 3000)
    event = Event.for_merge_request(request, Commit("a" * 40, "b" * 40), PROJECT, User())
    payload = sent(job_of("j: {script: s, only: [merge_requests]}", event))
    found = values(payload)
    assert not {"CI_COMMIT_BRANCH", "CI_COMMIT_TAG"} & set(found)
    assert found["CI_COMMIT_BEFORE_SHA"] == "0" * 40
    assert found["CI_MERGE_REQUEST_TARGET_BRANCH_NAME"] == "main"
    assert found["CI_MERGE_REQUEST_LABELS"] == "a,b"
    assert len(found["CI_MERGE_REQUEST_DESCRIPTION"]) == 2700
    assert payload["git_info"]["ref"] == "refs/merge-requests/4/head"
    assert payload["git_info"]["refspecs"] == ["+refs/pipelines/9:refs/pipelines/9"]


def test_depth_is_a_variable_of_any_layer() -> None:
    """GIT_DEPTH decides; 0 asks for all branches and tags; nonsense is as good as nothing (7.1)."""
    for written, depth in (("5", 5), ("0", 0), ("x", 20), ("-1", 20)):
        info = sent(job_of(f"j: {{script: s, variables: {{GIT_DEPTH: '{written}'}}}}"))["git_info"]
        assert info["depth"] == depth
        assert ("+refs/tags/*:refs/tags/*" in info["refspecs"]) == (depth == 0)


def test_the_shortest_timeout_counts() -> None:
    """The job's, else the project's; never more than the runner's (7.1)."""
    text = "j: {script: s, timeout: 2 hours}\nk: {script: s}"
    short = replace(FACTS, runner=RunnerFacts(maximum_timeout=600))
    assert sent(job_of(text))["runner_info"]["timeout"] == 7200
    assert sent(job_of(text, name="k"))["runner_info"]["timeout"] == 3600
    assert sent(job_of(text), short)["runner_info"]["timeout"] == 600
    assert sent(job_of(text))["steps"][0]["timeout"] == 7200


def test_images_and_services() -> None:
    """Options reach the runner below ``executor_opts``; service variables are pairs (7.3)."""
    text = """
j:
  script: s
  image: {name: x, entrypoint: [""], docker: {user: root}, pull_policy: never}
  services: [y, {name: z, alias: a, command: [c], variables: {V: 1}}]
"""
    payload = sent(job_of(text))
    assert payload["image"] == {
        "name": "x",
        "entrypoint": [""],
        "ports": [],
        "executor_opts": {"docker": {"user": "root"}},
        "pull_policy": ["never"],
    }
    assert [one["name"] for one in payload["services"]] == ["y", "z"]
    assert payload["services"][1]["variables"] == [{"key": "V", "value": "1"}]
    assert payload["services"][1]["alias"] == "a"
    assert sent(job_of("j: {script: s}"))["image"] is None


def test_hooks_inputs_run_and_release() -> None:
    """Each goes to its own place; a release is a step only where it is asked for (7.2)."""
    text = """
default: {hooks: {pre_get_sources_script: [a, [b]]}}
j: {script: s, inputs: {n: {type: number, default: 3}}, release: {tag_name: $T, description: 'say "`x`" $T'}}
k: {run: [{name: one, script: s}]}
"""
    payload = sent(job_of(text))
    assert payload["hooks"] == [{"name": "pre_get_sources_script", "script": ["a", "b"]}]
    assert payload["inputs"] == [{"key": "n", "value": {"type": "number", "content": 3}}]
    assert [one["name"] for one in payload["steps"]] == ["script"]
    steps = sent(job_of(text), replace(FACTS, release=True))["steps"]
    assert [one["name"] for one in steps] == ["script", "release"]
    assert 'release-cli create --description "say \\"\\`x\\`\\" $T" --tag-name "$T"' in steps[1]["script"][0]
    payload = sent(job_of(text, name="k"))
    assert json.loads(payload["run"]) == [{"name": "one", "script": "s"}]
    assert "steps" not in payload


def test_environment_variables() -> None:
    """Name and URL are expanded, the slug is made of the name (3.13, 5.5)."""
    text = "j: {script: s, environment: {name: review/$CI_COMMIT_REF_NAME, url: 'https://$CI_ENVIRONMENT_SLUG.x'}}"
    found = values(sent(job_of(text, Event(ref="Pears", project=PROJECT))))
    assert found["CI_ENVIRONMENT_NAME"] == "review/Pears"
    assert found["CI_ENVIRONMENT_URL"] == f"https://{found['CI_ENVIRONMENT_SLUG']}.x"
    assert found["CI_ENVIRONMENT_TIER"] == "development"
    assert found["CI_ENVIRONMENT_ACTION"] == "start"


def test_dependencies_and_git_info_are_the_callers() -> None:
    """What the coordinator knows is taken as it is."""
    given = {"id": 3, "name": "b", "token": "t", "artifacts_file": {"filename": "a.zip", "size": 4}}
    facts = replace(FACTS, dependencies=[given], git_info={"sha": "x"})
    payload = sent(job_of("j: {script: s}"), facts)
    assert payload["dependencies"] == [given]
    assert payload["git_info"] == {"sha": "x"}


@pytest.mark.parametrize(("when", "value"), [("manual", "true"), ("delayed", "true"), ("always", None)])
def test_manual_jobs_know_it(when: str, value: str | None) -> None:
    """CI_JOB_MANUAL is set for manual and delayed jobs, also when a rule makes them so (5.4)."""
    extra = ", start_in: 1 h" if when == "delayed" else ""
    found = values(sent(job_of(f"j: {{script: s, rules: [{{when: {when}{extra}}}]}}")))
    assert found.get("CI_JOB_MANUAL") == value
