"""Settings by variable: defaults, parsing, warnings (job-execution.md 1.3, 3.7, 4.1)."""

from __future__ import annotations

import pytest

from pyrunner.build.settings import BuildSettings, read_settings
from pyrunner.protocol.job import GitInfo, Job
from pyrunner.protocol.variables import Variable, VariableSet


def read(disabled: bool = False, job: Job | None = None, **values: str) -> tuple[BuildSettings, list[str]]:
    """Read settings from plain variables."""
    variables = VariableSet(Variable(key, value) for key, value in values.items())
    return read_settings(variables, job or Job(), disabled)


def test_defaults() -> None:
    """Without variables nothing warns; the strategy follows the payload, the depth git_info."""
    settings, warnings = read(job=Job(allow_git_fetch=True, git_info=GitInfo(depth=20)))
    assert warnings == []
    assert settings.git_strategy == "fetch"
    assert settings.git_submodule_depth == 20
    assert settings.git_clean_flags == ("-ffdx",)
    assert settings.git_fetch_extra_flags == ("--prune", "--quiet")
    assert settings.git_checkout
    assert settings.after_script_ignore_errors
    assert settings.get_sources_attempts == 1
    assert settings.cache_request_timeout == 10
    assert read()[0].git_strategy == "clone"


@pytest.mark.parametrize(
    ("name", "value", "warning"),
    [
        (
            "GET_SOURCES_ATTEMPTS",
            "0",
            "GET_SOURCES_ATTEMPTS: number of attempts out of the range [1, 10], clamping to: 1",
        ),
        (
            "RESTORE_CACHE_ATTEMPTS",
            "11",
            "RESTORE_CACHE_ATTEMPTS: number of attempts out of the range [1, 10], clamping to: 10",
        ),
        (
            "ARTIFACT_DOWNLOAD_ATTEMPTS",
            "two",
            'ARTIFACT_DOWNLOAD_ATTEMPTS: expected int got "two", using default value: 1',
        ),
        (
            "GIT_SUBMODULE_DEPTH",
            "9" * 5000,
            f'GIT_SUBMODULE_DEPTH: expected int got "{"9" * 5000}", using default value: 0',
        ),
        ("CI_DEBUG_TRACE", "yes", 'CI_DEBUG_TRACE: expected bool got "yes", using default value: false'),
        ("GIT_CHECKOUT", "no", 'GIT_CHECKOUT: expected bool got "no", using default value: true'),
        (
            "GIT_STRATEGY",
            "pull",
            "GIT_STRATEGY: expected either 'clone', 'fetch', 'none' or 'empty' got \"pull\", "
            "using default value 'clone'",
        ),
        (
            "GIT_SUBMODULE_STRATEGY",
            "all",
            "GIT_SUBMODULE_STRATEGY: expected either 'normal', 'recursive' or 'none' got \"all\"",
        ),
    ],
)
def test_a_bad_value_warns_in_these_words(name: str, value: str, warning: str) -> None:
    """The texts are gitlab-runner's."""
    _, warnings = read(False, None, **{name: value})
    assert warnings == [warning]


def test_flags_split_on_blanks_and_none_is_empty() -> None:
    """Quotes have no meaning; an empty variable means the default."""
    settings, _ = read(
        GIT_CLEAN_FLAGS="none", GIT_FETCH_EXTRA_FLAGS="--a '--b  c'", GIT_SUBMODULE_PATHS=" x\ty "
    )
    assert settings.git_clean_flags == ()
    assert settings.git_fetch_extra_flags == ("--a", "'--b", "c'")
    assert settings.git_submodule_paths == ("x", "y")
    assert read(GIT_CLEAN_FLAGS="")[0].git_clean_flags == ("-ffdx",)


@pytest.mark.parametrize("strategy", ["none", "empty"])
def test_without_a_repository_there_is_no_checkout_and_no_submodule(strategy: str) -> None:
    """Even where the job asks for them."""
    settings, _ = read(GIT_STRATEGY=strategy, GIT_CHECKOUT="true", GIT_SUBMODULE_STRATEGY="recursive")
    assert not settings.git_checkout
    assert settings.git_submodule_strategy == "none"
    assert not settings.uses_repository


def test_content_of_file_variables_counts() -> None:
    """Settings are the runner's own reading."""
    variables = VariableSet([Variable("GIT_STRATEGY", "none", file=True)])
    assert read_settings(variables, Job())[0].git_strategy == "none"


def test_debug_can_be_disabled_by_config() -> None:
    """Both switches go off, each with its warning, trace first."""
    settings, warnings = read(disabled=True, CI_DEBUG_TRACE="1", CI_DEBUG_SERVICES="1")
    assert not settings.debug_trace
    assert not settings.debug_services
    assert warnings == [
        "CI_DEBUG_TRACE: usage is disabled on this Runner",
        "CI_DEBUG_SERVICES: usage is disabled on this Runner",
    ]
