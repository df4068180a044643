"""``retry timeout tags interruptible allow_failure coverage`` (gitlab-ci-yml.md 3.2, 3.8)."""

from __future__ import annotations

from typing import Any, Final

import re2  # type: ignore[import-untyped]

from pyrunner.ci.checks.entry import Entry, is_integer, is_strings
from pyrunner.ci.duration import seconds
from pyrunner.ci.expression import compile_pattern
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position

_MONTH: Final = 30 * 86_400
_MOST_TAGS: Final = 50
_MOST_RETRIES: Final = 2
#: What ``retry:when`` may name: the failure reasons of a job (gitlab-ci-yml.md 6.1).
RETRY_WHEN: Final = frozenset(
    [
        "always",
        "unknown_failure",
        "script_failure",
        "api_failure",
        "stuck_or_timeout_failure",
        "runner_system_failure",
        "missing_dependency_failure",
        "runner_unsupported",
        "stale_schedule",
        "job_execution_timeout",
        "archived_failure",
        "unmet_prerequisites",
        "scheduler_failure",
        "data_integrity_failure",
        "forward_deployment_failure",
        "user_blocked",
        "project_deleted",
        "ci_quota_exceeded",
        "pipeline_loop_detected",
        "no_matching_runner",
        "trace_size_exceeded",
        "builds_disabled",
        "environment_creation_failure",
        "deployment_rejected",
        "failed_outdated_deployment_job",
        "job_execution_server_timeout",
        "downstream_bridge_project_not_found",
        "invalid_bridge_trigger",
        "insufficient_bridge_permissions",
        "downstream_pipeline_creation_failed",
        "reached_max_descendant_pipelines_depth",
        "runner_configuration_error",
        "runner_external_dependency_failure",
        "runner_interrupted",
    ]
)
_CODES: Final = "exit codes should be an array of integers or an integer"


def check_retry(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``retry``; its messages name no job (1.9), so ``where`` is not used."""
    if is_integer(value):
        _check_number("retry", "config", value, place, findings)
    elif not isinstance(value, Map):
        findings.entry("retry config", "has to be either an integer or a hash", place)
    else:
        entry = Entry("retry", value, findings)
        entry.allow(("max", "when", "exit_codes"))
        most = entry.get("max")
        if is_integer(most):
            _check_number("retry", "max", most, value.place("max"), findings)
        elif most is not None:
            entry.says("max", "is not a number")
        _check_retry_when(entry)
        codes = entry.get("exit_codes")
        if codes is not None and not _are_codes(codes):
            findings.entry("retry", _CODES, value.place("exit_codes"))


def _check_number(where: str, what: str, value: int, place: Position, findings: Findings) -> None:
    if value > _MOST_RETRIES:
        findings.entry(where, f"{what} must be less than or equal to {_MOST_RETRIES}", place)
    elif value < 0:
        findings.entry(where, f"{what} must be greater than or equal to 0", place)


def _check_retry_when(entry: Entry) -> None:
    when = entry.get("when")
    hint = "the values are failure reasons, such as runner_system_failure"
    if isinstance(when, str):
        if when not in RETRY_WHEN:
            entry.says("when", "is not included in the list", hint)
    elif when is not None and not is_strings(when):
        entry.says("when", "should be an array of strings or a string")
    elif when is not None and (unknown := [one for one in when if one not in RETRY_WHEN]):
        entry.says("when", f"contains unknown values: {', '.join(unknown)}", hint)


def _are_codes(value: Any) -> bool:
    return all(is_integer(one) for one in (value if isinstance(value, list) else [value]))


def check_timeout(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``timeout``."""
    length = seconds(value)
    if length is None:
        hint = "write it as text: '60', 1 hour, 1h 30m"
        findings.entry(where, "config should be a duration", place, hint)
    elif length > _MONTH:
        findings.entry(where, "config should not exceed the limit", place, "a month is the most")


def check_tags(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``tags``."""
    if not is_strings(value):
        findings.entry(where, "config should be an array of strings", place)
    elif len(value) >= _MOST_TAGS:
        findings.entry(where, f"config must be less than the limit of {_MOST_TAGS} tags", place)


def check_boolean(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add a finding when ``value`` is no boolean."""
    if not isinstance(value, bool):
        hint = "write true or false without quotes"
        findings.entry(where, "config should be a boolean value", place, hint)


def check_exit_codes(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``allow_failure`` written as a mapping."""
    if not isinstance(value, Map):
        return
    entry = Entry(where, value, findings)
    entry.allow(("exit_codes",))
    if not _are_codes(entry.get("exit_codes")):
        findings.entry(where, _CODES, place)


def check_coverage(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``coverage``."""
    try:
        fits = isinstance(value, str) and compile_pattern(value) is not None
    except re2.error:
        fits = False
    if not fits:
        hint = "write it between slashes, and as RE2 knows it: '/\\d+%/'"
        findings.entry(where, "config must be a regular expression with re2 syntax", place, hint)
