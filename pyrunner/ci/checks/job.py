"""One job: its own attributes first, then each keyword by its own check (gitlab-ci-yml.md 3.2)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.ci.checks.artifacts import check_artifacts
from pyrunner.ci.checks.caches import check_caches
from pyrunner.ci.checks.entry import Check, Entry, is_strings
from pyrunner.ci.checks.environments import check_environment
from pyrunner.ci.checks.identity import check_id_tokens, check_inherit, check_job_inputs, check_secrets
from pyrunner.ci.checks.images import check_image, check_services
from pyrunner.ci.checks.limits import (
    check_boolean,
    check_coverage,
    check_exit_codes,
    check_retry,
    check_tags,
    check_timeout,
)
from pyrunner.ci.checks.needs import check_needs
from pyrunner.ci.checks.policies import check_policy
from pyrunner.ci.checks.publishing import check_pages, check_publish, check_release
from pyrunner.ci.checks.rules import WEEK, WHEN, check_job_rules
from pyrunner.ci.checks.scripts import check_hooks, check_run, check_script
from pyrunner.ci.checks.triggers import check_trigger
from pyrunner.ci.checks.variables import check_job_variables
from pyrunner.ci.finding import Findings
from pyrunner.ci.matrix import check_parallel
from pyrunner.ci.tree import Map, Position

_SHARED_KEYS: Final = frozenset(
    [
        "stage",
        "rules",
        "only",
        "except",
        "needs",
        "when",
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
_PAID_KEYS: Final = ("secrets", "identity", "dast_configuration")
JOB_KEYS: Final = (
    _SHARED_KEYS
    | frozenset(
        [
            "script",
            "before_script",
            "after_script",
            "start_in",
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
            "trigger",
        ]
    )
    | frozenset(_PAID_KEYS)
)
TRIGGER_KEYS: Final = _SHARED_KEYS | {"trigger"}

#: The keywords that ``default`` may hold as well, with their checks.
INHERITED: Final[dict[str, Check]] = {
    "before_script": check_script,
    "after_script": check_script,
    "hooks": check_hooks,
    "cache": check_caches,
    "image": check_image,
    "services": check_services,
    "interruptible": check_boolean,
    "timeout": check_timeout,
    "retry": check_retry,
    "tags": check_tags,
    "artifacts": check_artifacts,
    "id_tokens": check_id_tokens,
}


def _check_stage(where: str, value: Any, place: Position, findings: Findings) -> None:
    if not isinstance(value, str):
        findings.entry(where, "config should be a string", place)


_OWN: Final[dict[str, Check]] = {
    "stage": _check_stage,
    "script": check_script,
    "only": check_policy,
    "except": check_policy,
    "variables": check_job_variables,
    "inherit": check_inherit,
    "needs": check_needs,
    "environment": check_environment,
    "coverage": check_coverage,
    "release": check_release,
    "pages": check_pages,
    "publish": check_publish,
    "trigger": check_trigger,
    "secrets": check_secrets,
    "inputs": check_job_inputs,
    "run": check_run,
    "allow_failure": check_exit_codes,
}


def check_job(name: str, job: Map, findings: Findings) -> None:
    """Add what is wrong with one job."""
    entry = Entry(f"jobs:{name}", job, findings)
    work = [one for one in job if one in ("script", "run", "trigger") and job[one] is not None]
    if len(work) > 1:
        entry.config(f"these keys cannot be used together: {', '.join(work)}", job.place(work[1]))
        return
    triggers = work == ["trigger"]
    hint = "a trigger job runs no script" if triggers else "check the spelling"
    entry.allow(TRIGGER_KEYS if triggers else JOB_KEYS, hint)
    if "script" in job and work in ([], ["script"]) and job["script"] in (None, "", []):
        entry.says("script", "can't be blank")
    if work == ["run"]:
        clashes = [key for key in ("before_script", "after_script") if entry.get(key) is not None]
        if clashes:
            message = f"these keys cannot be used together: run, {', '.join(clashes)}"
            entry.config(message, job.place(clashes[0]))
    _check_own(entry, triggers)
    for key, check in (_OWN | INHERITED).items():
        if entry.get(key) is not None:
            check(f"{entry.where}:{key}", job[key], job.place(key), findings)
    if entry.get("rules") is not None:
        check_job_rules(entry.where, job["rules"], job.place("rules"), findings)
    _check_parallel(entry, triggers)
    _check_publish(entry, name)
    for key in _PAID_KEYS:
        if entry.get(key) is not None:
            findings.warn(f"jobs:{name}: {key} is a paid feature and has no effect here", job.place(key))


def _check_own(entry: Entry, triggers: bool) -> None:
    job = entry.value
    entry.strings("dependencies")
    if entry.get("extends") is not None and not (
        isinstance(job["extends"], str) or is_strings(job["extends"])
    ):
        entry.says("extends", "should be an array of strings or a string")
    whens = WHEN[:-1] if triggers else WHEN
    entry.one_of("when", whens, f"should be one of: {', '.join(whens)}")
    failure = entry.get("allow_failure")
    if triggers:
        entry.boolean("allow_failure")
    elif failure is not None and not isinstance(failure, (bool, Map)):
        entry.says("allow_failure", "should be a hash or a boolean value")
    entry.string("resource_group", "manual_confirmation")
    start = entry.get("start_in")
    if job.get("when") == "delayed" and not triggers:
        if start is None:
            entry.findings.entry(entry.where, "start in should be a duration", job.place("when"))
        else:
            entry.duration("start_in", limit=WEEK)
    elif start is not None and entry.get("rules") is None:
        entry.says("start_in", "must be blank", "start_in needs `when: delayed`")
    if entry.get("rules") is not None:
        clashes = [key for key in ("only", "except", "start_in") if entry.get(key) is not None]
        if clashes:
            message = f"key may not be used with `rules`: {', '.join(clashes)}"
            hint = "write the condition as a rule"
            entry.config(message, job.place(clashes[0]), hint)


def _check_parallel(entry: Entry, triggers: bool) -> None:
    parallel = entry.get("parallel")
    if parallel is None:
        return
    if triggers and not isinstance(parallel, Map):
        entry.within("parallel", 'cannot use "parallel: <number>".')
    else:
        place = entry.value.place("parallel")
        check_parallel(f"{entry.where}:parallel", parallel, place, entry.findings)


def _check_publish(entry: Entry, name: str) -> None:
    pages = entry.get("pages")
    is_pages = pages not in (None, False) or (name == "pages" and pages is None)
    if entry.get("publish") is not None and not is_pages:
        entry.says("publish", "can only be used within a `pages` job", "add `pages: true`")
    if isinstance(pages, Map) and entry.get("publish") is not None and pages.get("publish") is not None:
        entry.exclusive(("pages", "publish"))
