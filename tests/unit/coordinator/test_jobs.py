"""Payloads are what GitLab sends: they decode, and name what the runner looks at."""

from __future__ import annotations

import pytest

from pyrunner.coordinator.jobs import FAILURE_REASONS, authenticated, make_payload
from pyrunner.coordinator.predefined import Commit, slug
from pyrunner.protocol.job import decode_job

COMMIT = Commit(
    "a" * 40, "b" * 40, "Title\n\nText of it.", "Ada <ada@example.com>", "2026-01-02T03:04:05+00:00"
)


def values(payload: dict[str, object]) -> dict[str, str]:
    """Return the variables of a payload by name, the last of a name."""
    return {one.key: one.value for one in decode_job(payload).variables}


def test_a_payload_decodes_as_a_runner_decodes_it() -> None:
    """Every field has the type a runner insists on."""
    payload = make_payload(
        7,
        ["make"],
        after_script=["make clean"],
        image="python:3.12",
        services=["postgres:16", {"name": "redis", "alias": "cache"}],
        artifacts={"paths": ["out/"]},
        cache=[{"paths": [".cache"]}],
        dependencies=[3],
        hooks={"pre_get_sources_script": ["echo before"]},
        variables={"PRICE": {"value": "5$", "raw": True}, "NAME": "Ada"},
    )
    job = decode_job(payload)
    assert [step.name for step in job.steps] == ["script", "after_script"]
    assert job.image.name == "python:3.12"
    assert [service.alias for service in job.services] == ["", "cache"]
    assert job.artifacts[0].paths == ["out/"]
    assert job.artifacts[0].artifact_format == "zip"
    assert job.cache[0].policy == "pull-push"
    assert job.dependencies[0].token == job.token
    assert job.features.trace_sections
    assert tuple(job.features.failure_reasons) == FAILURE_REASONS
    assert job.hooks[0].name == "pre_get_sources_script"
    assert next(one for one in job.variables if one.key == "PRICE").raw


def test_the_token_is_masked_and_not_public() -> None:
    """CI_JOB_TOKEN is the job's token, masked."""
    job = decode_job(make_payload(7, token="glcbt-64_abc"))
    token = next(one for one in job.variables if one.key == "CI_JOB_TOKEN")
    assert (token.value, token.masked, token.public) == ("glcbt-64_abc", True, False)


def test_commit_variables_describe_the_commit() -> None:
    """Sha, short sha, title, description and author come from the commit."""
    variables = values(make_payload(7, commit=COMMIT, ref="feature/A b"))
    assert variables["CI_COMMIT_SHA"] == "a" * 40
    assert variables["CI_COMMIT_SHORT_SHA"] == "a" * 8
    assert variables["CI_COMMIT_TITLE"] == "Title"
    assert variables["CI_COMMIT_DESCRIPTION"] == "Text of it."
    assert variables["CI_COMMIT_BRANCH"] == "feature/A b"
    assert variables["CI_COMMIT_REF_SLUG"] == "feature-a-b"
    assert "CI_COMMIT_TAG" not in variables


def test_a_tag_pipeline_has_a_tag_and_no_branch() -> None:
    """CI_COMMIT_TAG replaces CI_COMMIT_BRANCH; the refspec is the tag's."""
    payload = make_payload(7, commit=COMMIT, ref="v1", tag=True, pipeline_id=5)
    variables = values(payload)
    assert variables["CI_COMMIT_TAG"] == "v1"
    assert "CI_COMMIT_BRANCH" not in variables
    assert payload["git_info"]["refspecs"] == [
        "+refs/pipelines/5:refs/pipelines/5",
        "+refs/tags/v1:refs/tags/v1",
    ]


@pytest.mark.parametrize(
    ("depth", "refspecs"),
    [
        (20, ["+refs/pipelines/5:refs/pipelines/5", "+refs/heads/main:refs/remotes/origin/main"]),
        (
            0,
            [
                "+refs/pipelines/5:refs/pipelines/5",
                "+refs/heads/*:refs/remotes/origin/*",
                "+refs/tags/*:refs/tags/*",
            ],
        ),
    ],
)
def test_refspecs_follow_the_depth(depth: int, refspecs: list[str]) -> None:
    """A shallow job fetches its branch, a full one all branches and tags (3.3)."""
    payload = make_payload(7, repo_url="http://host/group/project.git", depth=depth, pipeline_id=5)
    assert payload["git_info"]["refspecs"] == refspecs


def test_a_job_without_repository_fetches_nothing() -> None:
    """GIT_STRATEGY=none is set unless there is a repository or the caller's own strategy."""
    assert values(make_payload(7))["GIT_STRATEGY"] == "none"
    assert values(make_payload(7, variables={"GIT_STRATEGY": "empty"}))["GIT_STRATEGY"] == "empty"
    assert "GIT_STRATEGY" not in values(make_payload(7, repo_url="http://host/group/project.git"))


def test_overrides_replace_and_remove_keys() -> None:
    """Whole keys can be replaced; None leaves a key out, as `run` is (3.1)."""
    payload = make_payload(7, steps=None, run='[{"name": "a", "script": "b"}]')
    assert "steps" not in payload
    assert payload["run"].startswith("[")
    assert payload["policy_options"] is None


def test_credentials_in_the_url_are_replaced() -> None:
    """The job's own token stands in the clone URL, whatever was there."""
    assert (
        authenticated("https://user:old@host:8443/a/b.git", "new")
        == "https://gitlab-ci-token:new@host:8443/a/b.git"
    )


def test_a_slug_is_short_lower_case_and_trimmed() -> None:
    """A dash for each other character, 63 characters, then no dash at either end."""
    assert slug("-Feature/" + "x" * 80) == "feature-" + "x" * 54
    assert slug("a  b") == "a--b"
