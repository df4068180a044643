"""The context of a job: variables in order, places, flags, warnings (job-execution.md 2, 3)."""

from __future__ import annotations

import pytest

from pyrunner.build.context import PrepareRefused
from pyrunner.build.header import header_lines
from pyrunner.errors import BuildError
from pyrunner.jobdir.record import TLSData
from pyrunner.protocol.feature_flags import FLAGS
from tests.support.contexts import DOCKER_LIKE, build_context, payload, variable


def failure(**arguments: object) -> str:
    """Return the text of the configuration error that building a context ends with."""
    with pytest.raises(BuildError) as caught:
        build_context(**arguments)  # type: ignore[arg-type]
    assert caught.value.failure_reason == "runner_configuration_error"
    return str(caught.value)


def test_variables_come_in_upstreams_order() -> None:
    """Later wins, so the order is the precedence (3.2)."""
    context = build_context(
        job=payload(image={"name": "ruby:3"}, variables=[variable("FF_SCRIPT_SECTIONS", "true")]),
        runner={"environment": ["CONFIGURED=$CI_SERVER", "dropped"]},
        tls=TLSData("chain", "certificate", "key"),
    )
    keys = [one.key for one in context.variables]
    assert keys[: len(FLAGS)] == list(FLAGS)
    assert keys[len(FLAGS) :] == [
        "CI_JOB_IMAGE",
        "CI_RUNNER_SHORT_TOKEN",
        "CONFIGURED",
        "CI_BUILDS_DIR",
        "CI_PROJECT_DIR",
        "CI_CONCURRENT_ID",
        "CI_CONCURRENT_PROJECT_ID",
        "CI_SERVER",
        "CI_JOB_STATUS",
        "CI_JOB_TIMEOUT",
        "CI_SERVER_TLS_CA_FILE",
        "CI_SERVER_TLS_CERT_FILE",
        "CI_SERVER_TLS_KEY_FILE",
        "CI_PROJECT_PATH",
        "CI_SHARED_ENVIRONMENT",
        "CI_RUNNER_VERSION",
        "CI_RUNNER_REVISION",
        "CI_RUNNER_EXECUTABLE_ARCH",
        "RUNNER_TEMP_PROJECT_DIR",
    ]
    values = {one.key: one.value for one in context.variables}
    assert values["FF_SCRIPT_SECTIONS"] == "true"
    assert values["CONFIGURED"] == "yes"
    assert values["CI_RUNNER_SHORT_TOKEN"] == "abcdefghi"
    assert values["CI_BUILDS_DIR"] == "/builds/app"
    assert values["CI_PROJECT_DIR"] == "/builds/app/app"
    assert values["RUNNER_TEMP_PROJECT_DIR"] == "/builds/app/app.tmp"
    assert values["CI_CONCURRENT_ID"] == "2"
    assert values["CI_CONCURRENT_PROJECT_ID"] == "1"
    assert values["CI_JOB_TIMEOUT"] == "3600"
    assert values["CI_RUNNER_VERSION"] == "19.4.0"


def test_who_may_see_what() -> None:
    """TLS key and config environment are internal only, all else of the runner public too."""
    context = build_context(runner={"environment": ["A=1"]}, tls=TLSData("chain", "certificate", "key"))
    marks = {one.key: (one.public, one.internal, one.file) for one in context.variables}
    assert marks["A"] == (False, True, False)
    assert marks["CI_SERVER_TLS_KEY_FILE"] == (False, True, True)
    assert marks["CI_SERVER_TLS_CA_FILE"] == (True, True, True)
    assert marks["CI_PROJECT_DIR"] == (True, True, False)


def test_a_certificate_without_key_is_no_pair() -> None:
    """They appear together or not at all."""
    context = build_context(tls=TLSData("", "certificate", ""))
    assert "CI_SERVER_TLS_CERT_FILE" not in context.variables


def test_config_flags_beat_variables_and_hide_bad_ones() -> None:
    """Priority and the silence of 3.3."""
    context = build_context(
        job=payload(variables=[variable("FF_SCRIPT_SECTIONS", "maybe"), variable("FF_HASH_CACHE_KEYS", "1")]),
        runner={"feature_flags": {"FF_SCRIPT_SECTIONS": True}, "environment": ["FF_TIMESTAMPS=0"]},
    )
    assert context.features.on("FF_SCRIPT_SECTIONS")
    assert context.features.on("FF_HASH_CACHE_KEYS")
    assert not context.features.on("FF_TIMESTAMPS")
    assert context.setting_warnings == []


def test_a_bad_flag_warns_twice_behind_the_other_warnings() -> None:
    """The flags are evaluated twice, upstream's quirk."""
    context = build_context(
        job=payload(variables=[variable("FF_TIMESTAMPS", "on"), variable("GIT_CHECKOUT", "no")])
    )
    line = "FF_TIMESTAMPS: could not parse feature flag, expected bool, got on"
    assert context.features.on("FF_TIMESTAMPS")
    assert context.setting_warnings[0].startswith("GIT_CHECKOUT")
    assert context.setting_warnings[1:] == [line, line]


def test_job_status_for_after_script() -> None:
    """The status changes, what was expanded from it and what the payload overrides do not."""
    context = build_context(job=payload(variables=[variable("COPY", "was $CI_JOB_STATUS")]))
    after = context.variables_for("failed")
    assert after.value("CI_JOB_STATUS") == "failed"
    assert after.value("COPY") == "was running"
    assert context.variables.value("CI_JOB_STATUS") == "running"
    assert context.variables_for("running") is context.variables


def test_the_folder_comes_from_the_url_and_not_from_a_variable() -> None:
    """A job that overrides CI_PROJECT_PATH must not choose its folder."""
    context = build_context(job=payload(variables=[variable("CI_PROJECT_PATH", "x/..")]))
    assert context.project_dir == "/builds/app/app"


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("https://h/g/a%20b.git", "a-b-"),
        ("https://h/", "project-7"),
        ("not a url", "project-7"),
        ("https://h/g/%2e%2e", "project-7"),
        ("https://h/g/.git", "g"),
    ],
)
def test_unusual_repository_urls(url: str, folder: str) -> None:
    """Whatever the URL, the folder is one plain name."""
    name = build_context(job=payload(git_info={"repo_url": url})).project_dir.removeprefix("/builds/app/")
    assert name.startswith(folder)
    assert "/" not in name


def test_strategy_empty_has_folders_of_its_own() -> None:
    """In builds and in cache (2.1)."""
    context = build_context(job=payload(variables=[variable("GIT_STRATEGY", "empty")]))
    assert context.project_dir == "/builds/app/app-empty"
    assert context.temporary_dir == "/builds/app/app-empty.tmp"
    assert context.cache_dir == "/cache/app-empty"


def test_clone_path_may_use_the_builds_dir() -> None:
    """The value is used as is, cleaned."""
    job = payload(variables=[variable("GIT_CLONE_PATH", "$CI_BUILDS_DIR/go//src/./app")])
    context = build_context(job=job, runner={"custom_build_dir": {"enabled": True}})
    assert context.project_dir == "/builds/app/go/src/app"
    assert context.temporary_dir == "/builds/app/go/src/app.tmp"
    assert build_context(job=job, traits=DOCKER_LIKE).project_dir == "/builds/app/go/src/app"


def test_clone_path_has_to_be_allowed() -> None:
    """The shell executor's default is off."""
    job = payload(variables=[variable("GIT_CLONE_PATH", "/builds/app/x")])
    text = "setting GIT_CLONE_PATH is not allowed, enable `custom_build_dir` feature"
    assert failure(job=job) == text


@pytest.mark.parametrize("path", ["/etc", "/builds/app/../x", "/builds/application"])
def test_clone_path_stays_within_builds(path: str) -> None:
    """A sibling with the same beginning is outside, too."""
    job = payload(variables=[variable("GIT_CLONE_PATH", path)])
    text = f'the GIT_CLONE_PATH="{path}" has to be within "/builds/app"'
    assert failure(job=job, runner={"custom_build_dir": {"enabled": True}}) == text


def test_a_relative_clone_path_is_refused() -> None:
    """It cannot be compared with an absolute builds directory."""
    job = payload(variables=[variable("GIT_CLONE_PATH", "x")])
    text = failure(job=job, runner={"custom_build_dir": {"enabled": True}})
    assert text == "Rel: can't make x relative to /builds/app"


def test_folders_have_to_be_there() -> None:
    """Upstream's text."""
    assert failure(source="") == "the builds_dir is not configured"


def test_secrets_are_refused_before_anything_runs() -> None:
    """A job without its secrets would fail later and less clearly."""
    assert "secrets" in failure(job=payload(secrets={"PASSWORD": {"vault": {}}}))


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "..", ""])
def test_a_hostile_file_variable_is_refused(name: str) -> None:
    """Before any script could write it, by name and without its content; plain ones are free."""
    text = failure(job=payload(variables=[variable(name, "content", file=True)]))
    assert f'"{name}"' in text
    assert "content" not in text
    build_context(job=payload(variables=[variable(name, "content")]))


def test_a_refusal_comes_with_all_that_the_trace_needs() -> None:
    """Header, warnings and masks are upstream's; the message itself may show a secret otherwise."""
    job = payload(
        variables=[
            variable("SECRET", "hidden", masked=True),
            variable("GIT_CLONE_PATH", "/$SECRET"),
            variable("GIT_CHECKOUT", "no"),
        ]
    )
    with pytest.raises(PrepareRefused) as caught:
        build_context(job=job, runner={"custom_build_dir": {"enabled": True}})
    context = caught.value.context
    assert "hidden" in str(caught.value)
    assert context.mask_phrases == ["hidden"]
    assert len(context.setting_warnings) == 1
    assert header_lines(context)[1].startswith("  on desk")


def test_an_unknown_shell_is_refused() -> None:
    """PowerShell scripts are not written here."""
    assert '"pwsh"' in failure(runner={"shell": "pwsh"})


def test_protected_by_payload_else_by_the_first_variable() -> None:
    """A user's variable cannot make a job protected (7.6)."""
    first = variable("CI_COMMIT_REF_PROTECTED", "false")
    mine = variable("CI_COMMIT_REF_PROTECTED", "true")
    assert not build_context(job=payload(variables=[first, mine])).protected
    assert build_context(job=payload(variables=[mine])).protected
    assert not build_context(job=payload(git_info={"protected": False}, variables=[mine])).protected


def test_masks_are_the_expanded_values() -> None:
    """What shows in the trace is what has to be masked (3.6)."""
    job = payload(
        variables=[variable("S", "x-$CI_SERVER", masked=True), variable("F", "k", masked=True, file=True)]
    )
    assert build_context(job=job).mask_phrases == ["x-yes", "k"]


def test_executor_defaults_and_config_decide_about_git_config() -> None:
    """Shell keeps it, docker removes it, config overrides both ways, none keeps it (4.3)."""
    none = payload(variables=[variable("GIT_STRATEGY", "none")])
    assert not build_context().cleans_git_config
    assert build_context(runner={"clean_git_config": True}).cleans_git_config
    assert build_context(traits=DOCKER_LIKE).cleans_git_config
    assert not build_context(traits=DOCKER_LIKE, job=none).cleans_git_config
    assert build_context(traits=DOCKER_LIKE, job=none, runner={"clean_git_config": True}).cleans_git_config
    assert build_context(traits=DOCKER_LIKE).marks_safe_directory
    assert not build_context(
        traits=DOCKER_LIKE, runner={"safe_directory_checkout": False}
    ).marks_safe_directory


def test_the_network_name_is_a_dns_label() -> None:
    """Only with its flag, last of all (3.2 #12)."""
    context = build_context(runner={"feature_flags": {"FF_NETWORK_PER_BUILD": True}, "token": "A_b"})
    assert [one.key for one in context.variables][-1] == "CI_BUILD_NETWORK_NAME"
    assert context.variables.value("CI_BUILD_NETWORK_NAME") == "runner-ab-7-1-4711"


def test_the_environment_says_whether_it_is_shared() -> None:
    """Exactly one of the two variables."""
    assert "CI_DISPOSABLE_ENVIRONMENT" in build_context(traits=DOCKER_LIKE).variables
    assert "CI_SHARED_ENVIRONMENT" not in build_context(traits=DOCKER_LIKE).variables
