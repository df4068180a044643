"""How the artifact stages call the helper (job-execution.md 8.2, 8.3, 8.6)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pyrunner.build.context import BuildContext
from pyrunner.build.scripts import stage_script
from tests.support.contexts import DOCKER_LIKE, build_context, payload, variable

UPLOAD = "upload_artifacts_on_success"


def calls(context: BuildContext, stage: str) -> list[str]:
    """Return the lines of a stage that call a helper command, without quotes."""
    script = re.sub(r"\\(['\\])", r"\1", str(stage_script(context, stage)))
    body = script.replace("\\n", "\n").splitlines()
    return [re.sub(r"\$'([^']*)'", r"\1", one.strip()) for one in body if " artifacts-" in one]


def upload(artifact: dict[str, Any], runner: dict[str, Any] | None = None, /, **variables: str) -> str:
    """Return the one call that uploads ``artifact``."""
    sent = [variable(key, value) for key, value in variables.items()]
    job = payload(artifacts=[artifact], variables=sent)
    (call,) = calls(build_context(job=job, runner=runner), UPLOAD)
    return call


def test_an_upload() -> None:
    """Everything the payload says, in gitlab-runner's order; paths are expanded by the helper."""
    call = upload(
        {
            "name": "n-$CI_JOB_NAME",
            "paths": ["a b/", "c"],
            "exclude": ["*.o"],
            "untracked": True,
            "expire_in": "1 week",
            "artifact_type": "junit",
            "artifact_format": "gzip",
        }
    )
    assert call.startswith("CI_JOB_TOKEN=glcbt-64_secret ")
    assert call.partition(" artifacts-uploader ")[2] == (
        "--url https://gitlab.example.com/ --id 4711 --timeout 1h0m0s --response-header-timeout 10m0s "
        "--path a b/ --path c --exclude *.o --untracked --name n-$CI_JOB_NAME "
        "--expire-in 1 week --artifact-format gzip --artifact-type junit"
    )


def test_the_token_is_on_no_command_line() -> None:
    """It is a variable of the one command; everybody on a host can read arguments."""
    job = payload(
        artifacts=[{"paths": ["a"]}],
        dependencies=[{"id": 5, "name": "b", "token": "dep-token", "artifacts_file": {"filename": "x"}}],
    )
    for stage in (UPLOAD, "download_artifacts"):
        for call in calls(build_context(job=job), stage):
            assignment, _, command = call.partition(" ")
            assert assignment in ("CI_JOB_TOKEN=glcbt-64_secret", "CI_JOB_TOKEN=dep-token")
            assert "token" not in command


def test_limits_from_config() -> None:
    """``[runners.artifact]``."""
    call = upload({"paths": ["a"]}, {"artifact": {"upload_timeout": 90.0, "response_header_timeout": 30.0}})
    assert "--timeout 1m30s --response-header-timeout 30s " in call


def test_only_what_is_given_is_passed() -> None:
    """An empty name is no flag: the helper has its default."""
    assert upload({"paths": ["a"], "name": ""}).endswith("10m0s --path a")


def test_each_entry_is_a_call() -> None:
    """In the payload's order, those that fit the outcome and name anything."""
    artifacts = [
        {"paths": ["a"], "when": "always"},
        {"paths": [], "name": "nothing"},
        {"paths": ["b"], "when": "on_failure"},
        {"exclude": ["c"]},
        {"untracked": True, "when": "on_success"},
        {"paths": ["d"], "when": "sometimes"},
    ]
    context = build_context(job=payload(artifacts=artifacts))
    ends = [one.rpartition("10m0s ")[2] for one in calls(context, UPLOAD)]
    assert ends == ["--path a", "--exclude c", "--untracked"]
    failed = [one.rpartition("10m0s ")[2] for one in calls(context, "upload_artifacts_on_failure")]
    assert failed == ["--path a", "--path b"]


def test_downloads() -> None:
    """One call a dependency that has an archive, in order, with its own token and id."""
    dependencies = [
        {"id": 5, "name": "b", "token": "t5", "artifacts_file": {"filename": "x.zip"}},
        {"id": 6, "name": "c", "token": "t6"},
        {"id": 4, "name": "a", "token": "t4", "artifacts_file": {"filename": "y.zip"}},
    ]
    context = build_context(job=payload(dependencies=dependencies))
    found = calls(context, "download_artifacts")
    assert [one.partition(" ")[0] for one in found] == ["CI_JOB_TOKEN=t5", "CI_JOB_TOKEN=t4"]
    assert [one.rpartition(" artifacts-downloader ")[2] for one in found] == [
        "--url https://gitlab.example.com/ --id 5",
        "--url https://gitlab.example.com/ --id 4",
    ]
    script = str(stage_script(context, "download_artifacts"))
    assert script.index("Downloading artifacts for b (5)...") < script.index(
        "Downloading artifacts for a (4)"
    )
    assert "for c (6)" not in script


def test_provenance() -> None:
    """Only for zip, by a variable of the payload; names of variables, never values."""
    zipped = {"paths": ["a"], "artifact_format": "zip"}
    wanted = {"RUNNER_GENERATE_ARTIFACTS_METADATA": "TRUE", "CI_RUNNER_ID": "17"}
    call = upload(zipped, None, **wanted)
    assert (
        "--generate-artifacts-metadata --runner-id 17 --repo-url https://gitlab.example.com/group/app "
        "--repo-digest 1a2b3c4d" in call
    )
    assert "--job-name test --executor-name shell --runner-name desk --started-at 1970-" in call
    assert "--schema-version unknown --metadata-parameter CI_PROJECT_PATH --metadata-parameter" in call
    assert "group/app.git" not in call
    assert "--generate" not in upload({"paths": ["a"]}, None, **wanted)
    assert "--generate" not in upload(zipped, None, RUNNER_GENERATE_ARTIFACTS_METADATA="2")
    assert "--schema-version v1" in upload(zipped, None, **wanted, SLSA_PROVENANCE_SCHEMA_VERSION="v1")


@pytest.mark.parametrize("stage", [UPLOAD, "download_artifacts"])
def test_the_helper_is_asked_for_first(stage: str) -> None:
    """Missing: a warning that names what is disabled (5.8)."""
    job = payload(
        artifacts=[{"paths": ["a"]}],
        dependencies=[{"id": 5, "name": "b", "token": "t", "artifacts_file": {"filename": "x"}}],
    )
    script = str(stage_script(build_context(job=job, traits=DOCKER_LIKE), stage))
    assert " --version >/dev/null 2>&1; then" in script
    action = "Uploading artifacts" if stage == UPLOAD else "Artifacts downloading"
    assert f". {action} is disabled." in script
