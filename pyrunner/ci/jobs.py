"""The keywords of one job that decide whether and when it runs, checked one by one (gitlab-ci-yml.md 3)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.ci.duration import seconds
from pyrunner.ci.expression import ExpressionError, parse
from pyrunner.ci.finding import Findings
from pyrunner.ci.matrix import check_matrix, check_parallel
from pyrunner.ci.tree import Map, Position, as_text, flatten

SHARED_KEYS: Final = frozenset(
    [
        "stage",
        "rules",
        "only",
        "except",
        "needs",
        "when",
        "start_in",
        "variables",
        "inherit",
        "environment",
        "interruptible",
        "resource_group",
        "allow_failure",
        "extends",
        "parallel",
        "manual_confirmation",
    ]
)
JOB_KEYS: Final = SHARED_KEYS | frozenset(
    [
        "script",
        "before_script",
        "after_script",
        "dependencies",
        "image",
        "services",
        "cache",
        "artifacts",
        "retry",
        "timeout",
        "tags",
        "coverage",
        "hooks",
        "id_tokens",
        "release",
        "pages",
        "publish",
        "run",
        "inputs",
        "secrets",
        "identity",
        "dast_configuration",
    ]
)
TRIGGER_KEYS: Final = SHARED_KEYS | {"trigger"}

_WHEN: Final = ("on_success", "on_failure", "always", "manual", "delayed")
_RULE_KEYS: Final = [
    "if",
    "changes",
    "exists",
    "when",
    "start_in",
    "allow_failure",
    "variables",
    "needs",
    "interruptible",
    "auto_cancel",
]
_SCRIPT: Final = "config should be a string or a nested array of strings up to 10 levels deep"
_WEEK: Final = 7 * 86_400
_MONTH: Final = 30 * 86_400
_MOST_TAGS: Final = 50


def check_job(name: str, job: Map, findings: Findings) -> None:
    """Add what is wrong with one job."""
    where = f"jobs:{name}"
    own = [one for one in ("script", "run", "trigger") if job.get(one) is not None]
    keys = TRIGGER_KEYS if own == ["trigger"] else JOB_KEYS | {"trigger"}
    if len(own) > 1:
        written = ", ".join(one for one in job if one in own)
        findings.entry(where, f"config these keys cannot be used together: {written}", job.place(own[1]))
        return
    if unknown := [as_text(key) for key in job if key not in keys]:
        hint = "a trigger job runs no script" if own == ["trigger"] else "check the spelling"
        message = f"config contains unknown keys: {', '.join(unknown)}"
        findings.entry(where, message, job.place(unknown[0]), hint)
    for key in ("script", "before_script", "after_script"):
        if job.get(key) is not None:
            check_script(f"{where}:{key}", job[key], job.place(key), findings)
    if own == ["script"] and job["script"] in ("", []):
        findings.entry(where, "script can't be blank", job.place("script"))
    _check_scalars(where, job, findings)
    _check_when(where, job, findings)
    if job.get("rules") is not None:
        clashes = [key for key in ("only", "except", "start_in") if job.get(key) is not None]
        if clashes:
            message = f"config key may not be used with `rules`: {', '.join(clashes)}"
            findings.entry(where, message, job.place(clashes[0]))
        check_rules(where, job["rules"], job.place("rules"), findings, (*_WHEN, "never"))
    if job.get("parallel") is not None:
        if "trigger" in own and not isinstance(job["parallel"], Map):
            message = 'config cannot use "parallel: <number>".'
            findings.entry(f"{where}:parallel", message, job.place("parallel"))
        else:
            check_parallel(f"{where}:parallel", job["parallel"], job.place("parallel"), findings)
    if job.get("needs") is not None:
        _check_needs(f"{where}:needs", job["needs"], job.place("needs"), findings)
    dependencies = job.get("dependencies")
    if dependencies is not None and not _strings(dependencies):
        findings.entry(where, "dependencies should be an array of strings", job.place("dependencies"))


def check_script(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add a finding when ``value`` is no script."""
    lines = [value] if isinstance(value, str) else flatten(value, 10) if isinstance(value, list) else None
    if lines is None or not all(isinstance(one, str) for one in lines):
        hint = "quote a line that has a colon and a space: YAML reads it as a mapping"
        findings.entry(where, _SCRIPT, place, hint)


def check_retry(value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``retry``; its messages name no job (1.9)."""
    most = value.get("max", 0) if isinstance(value, Map) else value
    name = "max" if isinstance(value, Map) else "config"
    if isinstance(most, bool) or not isinstance(most, int):
        what = (
            "max is not a number"
            if isinstance(value, Map)
            else "config has to be either an integer or a hash"
        )
        findings.entry("retry", what, place)
    elif most > 2:
        findings.entry("retry", f"{name} must be less than or equal to 2", place)
    elif most < 0:
        findings.entry("retry", f"{name} must be greater than or equal to 0", place)


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _check_scalars(where: str, job: Map, findings: Findings) -> None:
    for key in ("stage", "resource_group"):
        if job.get(key) is not None and not isinstance(job[key], str):
            message = "should be a string"
            prefix = f"{where}:stage config" if key == "stage" else f"{where} resource group"
            findings.entry(prefix, message, job.place(key))
    interruptible = job.get("interruptible")
    if interruptible is not None and not isinstance(interruptible, bool):
        message = "config should be a boolean value"
        findings.entry(f"{where}:interruptible", message, job.place("interruptible"))
    if job.get("timeout") is not None:
        length = seconds(job["timeout"])
        place = job.place("timeout")
        if length is None:
            hint = "write it as text: '60', 1 hour, 1h 30m"
            findings.entry(f"{where}:timeout", "config should be a duration", place, hint)
        elif length > _MONTH:
            findings.entry(f"{where}:timeout", "config should not exceed the limit", place)
    if job.get("retry") is not None:
        check_retry(job["retry"], job.place("retry"), findings)
    tags = job.get("tags")
    if tags is not None and not _strings(tags):
        findings.entry(f"{where}:tags", "config should be an array of strings", job.place("tags"))
    elif tags is not None and len(tags) >= _MOST_TAGS:
        findings.entry(
            f"{where}:tags", f"config must be less than the limit of {_MOST_TAGS} tags", job.place("tags")
        )
    failure = job.get("allow_failure")
    if isinstance(failure, Map):
        codes = failure.get("exit_codes")
        numbers = codes if isinstance(codes, list) else [codes]
        if not all(type(one) is int for one in numbers):
            message = "exit codes should be an array of integers or an integer"
            findings.entry(f"{where}:allow_failure", message, job.place("allow_failure"))
    elif failure is not None and not isinstance(failure, bool):
        message = "allow failure should be a hash or a boolean value"
        findings.entry(where, message, job.place("allow_failure"))


def _check_when(where: str, job: Map, findings: Findings) -> None:
    when = job.get("when")
    if when is not None and when not in _WHEN:
        findings.entry(where, f"when should be one of: {', '.join(_WHEN)}", job.place("when"))
    start = job.get("start_in")
    if when == "delayed":
        length = seconds(start)
        if length is None:
            place = job.place("start_in" if start is not None else "when")
            findings.entry(where, "start in should be a duration", place)
        elif length > _WEEK:
            findings.entry(where, "start in should not exceed the limit", job.place("start_in"))
    elif start is not None and job.get("rules") is None:
        findings.entry(where, "start in must be blank", job.place("start_in"))


def check_rules(where: str, rules: Any, place: Position, findings: Findings, whens: tuple[str, ...]) -> None:
    """Add what is wrong with ``rules``; ``whens`` are the values its ``when`` may have."""
    if rules == []:
        findings.entry(f"{where}:rules", "config can't be blank", place)
        return
    flat = flatten(rules, 10) if isinstance(rules, list) else None
    if flat is None or not all(isinstance(one, Map) for one in flat):
        findings.entry(where, "rules should be an array containing hashes and arrays of hashes", place)
        return
    for rule in flat:
        _check_rule(f"{where}:rules:rule", rule, findings, whens)


def _check_rule(where: str, rule: Map, findings: Findings, whens: tuple[str, ...]) -> None:
    if unknown := [as_text(key) for key in rule if key not in _RULE_KEYS]:
        message = f"config contains unknown keys: {', '.join(unknown)}"
        findings.entry(where, message, rule.place(unknown[0]))
    when = rule.get("when")
    if when is not None and when not in whens:
        findings.entry(where, f"when unknown value: {as_text(when)}", rule.place("when"))
    if "start_in" in rule and when != "delayed":
        findings.entry(where, "config contains disallowed keys: start_in", rule.place("start_in"))
    failure = rule.get("allow_failure")
    if failure is not None and not isinstance(failure, bool):
        findings.entry(where, "allow failure should be a boolean value", rule.place("allow_failure"))
    if rule.get("needs") is not None:
        _check_needs(f"{where}:needs", rule["needs"], rule.place("needs"), findings)
    condition = rule.get("if")
    if condition is None:
        return
    try:
        if not isinstance(condition, str):
            raise ExpressionError("invalid expression syntax")
        parse(condition)
    except ExpressionError as error:
        hint = 'a variable is $NAME, text is in quotes, a pattern has at least two characters: $A == "b"'
        findings.entry(where, f"if {error}", rule.place("if"), hint)


def _check_needs(where: str, needs: Any, place: Position, findings: Findings) -> None:
    if not isinstance(needs, list):
        if not isinstance(needs, Map):
            findings.entry(where, "config can only be a hash or an array", place)
        return
    for one in flatten(needs, 10) or []:
        if isinstance(one, Map) and ("job" in one or "pipeline" in one) and "project" not in one:
            parallel = one.get("parallel")
            if parallel is None:
                continue
            if not isinstance(parallel, Map):
                findings.entry(where, 'config cannot use "parallel: <number>".', one.place("parallel"))
            else:
                matrix = parallel.get("matrix")
                check_matrix(f"{where}:need:parallel:matrix", matrix, one.place("parallel"), findings)
        elif not isinstance(one, str):
            findings.entry(f"{where}:need", "has an unsupported type", place)
