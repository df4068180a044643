"""Which stages have a script, and what depends on settings alone (job-execution.md 1.2, 4, 5)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.build.scripts import stage_script, stage_title
from pyrunner.errors import PyrunnerError
from tests.support.contexts import DOCKER_LIKE, build_context, payload, variable

PATHS = ["vendor/"]


def has_script(stage: str, **changes: Any) -> bool:
    """Tell whether a stage of a job runs at all."""
    return stage_script(build_context(job=payload(**changes)), stage) is not None


def test_titles() -> None:
    """Known stages have theirs, steps are called by name."""
    assert stage_title("get_sources") == "Getting source from Git repository"
    assert stage_title("step_script") == 'Executing "step_script" stage of the job script'


@pytest.mark.parametrize("stage", ["prepare_script", "get_sources", "cleanup_file_variables", "step_script"])
def test_stages_that_always_run(stage: str) -> None:
    """Whatever the payload."""
    assert has_script(stage)


@pytest.mark.parametrize(
    ("stage", "empty", "filled"),
    [
        ("restore_cache", {"cache": [{"key": "k"}]}, {"cache": [{"untracked": True}]}),
        ("archive_cache", {"cache": [{"paths": PATHS, "when": "on_failure"}]}, {"cache": [{"paths": PATHS}]}),
        (
            "archive_cache_on_failure",
            {"cache": [{"paths": PATHS}]},
            {"cache": [{"paths": PATHS, "when": "always"}]},
        ),
        (
            "download_artifacts",
            {"dependencies": [{"id": 1, "name": "a"}]},
            {"dependencies": [{"id": 1, "name": "a", "artifacts_file": {"filename": "a.zip"}}]},
        ),
        (
            "upload_artifacts_on_success",
            {"artifacts": [{"name": "a"}]},
            {"artifacts": [{"exclude": PATHS, "when": "on_success"}]},
        ),
        (
            "upload_artifacts_on_failure",
            {"artifacts": [{"paths": PATHS}]},
            {"artifacts": [{"paths": PATHS, "when": "on_failure"}]},
        ),
        (
            "after_script",
            {"steps": [{"name": "after_script", "script": []}]},
            {"steps": [{"name": "after_script", "script": ["true"]}]},
        ),
        ("step_release", {}, {"steps": [{"name": "Release", "script": ["x"]}]}),
    ],
)
def test_stages_that_run_only_with_something_to_do(
    stage: str, empty: dict[str, Any], filled: dict[str, Any]
) -> None:
    """Otherwise there is no section at all."""
    assert not has_script(stage, **empty)
    assert has_script(stage, **filled)


def test_without_a_url_nothing_is_uploaded() -> None:
    """Local runs without a coordinator."""
    context = build_context(job=payload(artifacts=[{"paths": PATHS}]), runner={"url": ""})
    assert stage_script(context, "upload_artifacts_on_success") is None


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"GIT_SUBMODULE_STRATEGY": "all"}, "unknown GIT_SUBMODULE_STRATEGY"),
        (
            {"GIT_SUBMODULE_STRATEGY": "normal", "GIT_SUBMODULE_PATHS": "a :(exclude)"},
            'GIT_SUBMODULE_PATHS: invalid submodule pathspec ["a" ":(exclude)"]',
        ),
    ],
)
def test_settings_that_break_get_sources(variables: dict[str, str], text: str) -> None:
    """A plain error, hence a system failure, and found when the script is made."""
    sent = [variable(key, value) for key, value in variables.items()]
    with pytest.raises(PyrunnerError, match="GIT_SUBMODULE") as caught:
        stage_script(build_context(job=payload(variables=sent)), "get_sources")
    assert str(caught.value) == text


def test_docker_configures_git_globally_and_asks_for_the_safe_directory() -> None:
    """Its containers are the job's own, unlike the shell executor's home."""
    script = stage_script(build_context(traits=DOCKER_LIKE), "get_sources")
    assert script is not None
    assert "--add safe.directory /builds/app/app" in script
    assert "safe.directory" not in str(stage_script(build_context(), "get_sources"))


def test_the_login_dump_stays_out_of_debug_traces() -> None:
    """xtrace would print it; a login shell is used instead."""
    plain = build_context(login_dump="/control/login")
    debug = build_context(
        login_dump="/control/login", job=payload(variables=[variable("CI_DEBUG_TRACE", "1")])
    )
    assert "/control/login" in str(stage_script(plain, "prepare_script"))
    assert "/control/login" not in str(stage_script(debug, "prepare_script"))
