"""``needs`` of jobs, rules and trigger jobs (gitlab-ci-yml.md 3.6)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.ci.checks.entry import Entry
from pyrunner.ci.finding import Findings
from pyrunner.ci.matrix import check_matrix
from pyrunner.ci.tree import Map, Position, flatten

_JOB_KEYS: Final = ("job", "artifacts", "optional", "parallel", "pipeline")
_LONGEST_NAME: Final = 255
_MOST_PIPELINES: Final = 5


def check_needs(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``needs``."""
    if not isinstance(value, (list, Map)):
        findings.entry(where, "config can only be a hash or an array", place, "put the name in a list")
        return
    pipelines = 0
    for one in flatten(value if isinstance(value, list) else [value], 10) or []:
        if isinstance(one, str):
            if not one:
                findings.entry(f"{where}:need", "name can't be blank", place)
        elif not isinstance(one, Map) or "project" in one or not ({"job", "pipeline"} & set(one)):
            hint = "needs:project is a paid feature; locally nothing answers for another project"
            unsupported = isinstance(one, Map) and "project" in one
            at = getattr(one, "position", place)
            findings.entry(f"{where}:need", "has an unsupported type", at, hint if unsupported else "")
        else:
            pipelines += "pipeline" in one and "job" in one
            _check_need(Entry(f"{where}:need", one, findings), where)
    if pipelines > _MOST_PIPELINES:
        findings.entry(where, f"config must be less than or equal to {_MOST_PIPELINES}", place)


def _check_need(entry: Entry, needs: str) -> None:
    entry.allow(_JOB_KEYS)
    if "job" in entry.value:
        entry.present("job")
        if isinstance(entry.get("job"), str) and len(entry.get("job")) > _LONGEST_NAME:
            entry.says("job", f"is too long (maximum is {_LONGEST_NAME} characters)")
    entry.string("pipeline")
    entry.boolean("artifacts", "optional")
    parallel = entry.get("parallel")
    if parallel is None:
        return
    if not isinstance(parallel, Map):
        message = 'config cannot use "parallel: <number>".'
        entry.findings.entry(needs, message, entry.value.place("parallel"))
        return
    check_matrix(
        f"{entry.where}:parallel:matrix",
        parallel.get("matrix"),
        entry.value.place("parallel"),
        entry.findings,
    )
