"""``rules`` of jobs and of ``workflow`` (gitlab-ci-yml.md 3.3, 3.4)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.ci.checks.entry import Entry, is_strings
from pyrunner.ci.checks.needs import check_needs
from pyrunner.ci.checks.variables import check_variable_data
from pyrunner.ci.expression import ExpressionError, parse
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position, as_text, flatten

WHEN: Final = ("on_success", "on_failure", "always", "manual", "delayed")
ON_NEW_COMMIT: Final = ("conservative", "interruptible", "none")
ON_JOB_FAILURE: Final = ("none", "all")
WEEK: Final = 7 * 86_400
_JOB_KEYS: Final = (
    "if",
    "changes",
    "exists",
    "when",
    "start_in",
    "allow_failure",
    "variables",
    "needs",
    "interruptible",
)
_WORKFLOW_KEYS: Final = (*_JOB_KEYS, "auto_cancel")
_MOST_PATHS: Final = 50


def check_job_rules(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with the ``rules`` of a job; ``where`` is the job's path."""
    _check_rules(where, value, place, findings, (*WHEN, "never"), _JOB_KEYS)


def check_workflow_rules(value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``workflow:rules``."""
    _check_rules("workflow", value, place, findings, ("always", "never"), _WORKFLOW_KEYS)


def check_auto_cancel(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``auto_cancel``."""
    if not isinstance(value, Map):
        findings.entry(where, "config should be a hash", place)
        return
    entry = Entry(where, value, findings)
    entry.allow(("on_new_commit", "on_job_failure"))
    for key, values in (("on_new_commit", ON_NEW_COMMIT), ("on_job_failure", ON_JOB_FAILURE)):
        entry.one_of(key, values, f"must be one of: {', '.join(values)}")


def _check_rules(
    where: str,
    rules: Any,
    place: Position,
    findings: Findings,
    whens: tuple[str, ...],
    keys: tuple[str, ...],
) -> None:
    if rules == []:
        findings.entry(f"{where}:rules", "config can't be blank", place)
        return
    flat = flatten(rules, 10) if isinstance(rules, list) else None
    if flat is None or not all(isinstance(one, Map) for one in flat):
        findings.entry(where, "rules should be an array containing hashes and arrays of hashes", place)
        return
    for rule in flat:
        _check_rule(Entry(f"{where}:rules:rule", rule, findings), whens, keys)


def _check_rule(rule: Entry, whens: tuple[str, ...], keys: tuple[str, ...]) -> None:
    if not rule.value:
        rule.config("can't be blank")
    when = rule.get("when")
    if "start_in" in rule.value and when != "delayed":
        hint = "start_in needs `when: delayed` in the same rule"
        rule.config("contains disallowed keys: start_in", rule.value.place("start_in"), hint)
    if when == "delayed":
        if rule.get("start_in") is None:
            rule.says("start_in", "can't be blank")
        else:
            rule.duration("start_in", limit=WEEK)
    if rule.get("if") is not None:
        check_expression(rule, "if")
    rule.boolean("allow_failure", "interruptible")
    if when is not None and when not in whens:
        rule.says("when", f"unknown value: {as_text(when)}")
    rule.allow(keys)
    for key in ("changes", "exists"):
        if rule.get(key) is not None:
            _check_paths(rule, key)
    if rule.get("variables") is not None:
        place = rule.value.place("variables")
        check_variable_data(f"{rule.where}:variables", rule.get("variables"), place, rule.findings, ())
    if rule.get("needs") is not None:
        check_needs(f"{rule.where}:needs", rule.get("needs"), rule.value.place("needs"), rule.findings)
    if rule.get("auto_cancel") is not None and "auto_cancel" in keys:
        place = rule.value.place("auto_cancel")
        check_auto_cancel(f"{rule.where}:auto_cancel", rule.get("auto_cancel"), place, rule.findings)


def check_expression(entry: Entry, key: str) -> None:
    """Add a finding when an attribute is no expression."""
    condition = entry.get(key)
    try:
        if not isinstance(condition, str):
            raise ExpressionError("invalid expression syntax")
        parse(condition)
    except ExpressionError as error:
        hint = 'a variable is $NAME, text is in quotes, a pattern has at least two characters: $A == "b"'
        entry.says(key, str(error), hint)


def _check_paths(rule: Entry, key: str) -> None:
    value, others = rule.get(key), ("compare_to",) if key == "changes" else ("project", "ref")
    if isinstance(value, Map):
        inner = Entry(f"{rule.where}:{key}", value, rule.findings)
        inner.allow(("paths", *others))
        inner.string(*others)
        if "paths" not in value or value["paths"] in (None, []):
            inner.says("paths", "can't be blank")
        elif not is_strings(value["paths"]):
            inner.says("paths", "should be an array of strings")
        elif len(value["paths"]) > _MOST_PATHS:
            inner.says("paths", f"has too many entries (maximum {_MOST_PATHS})")
        if key == "exists" and "ref" in value and "project" not in value:
            inner.config("missing required keys: project", value.place("ref"))
    elif key == "exists" and isinstance(value, str):
        return
    elif not is_strings(value):
        rule.within(key, "should be an array or a hash" if not isinstance(value, list) else _STRINGS)
    elif len(value) > _MOST_PATHS:
        rule.within(key, f"has too many entries (maximum {_MOST_PATHS})")


_STRINGS: Final = "should be an array of strings"
