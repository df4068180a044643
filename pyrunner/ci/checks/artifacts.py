"""``artifacts`` and its reports (gitlab-ci-yml.md 3.12)."""

from __future__ import annotations

import re
from typing import Any, Final

from pyrunner.ci.checks.entry import Entry, mapping
from pyrunner.ci.finding import Findings
from pyrunner.ci.reports import COVERAGE_FORMATS, REPORTS
from pyrunner.ci.tree import Map, Position

_KEYS: Final = (
    "name untracked paths reports when expire_in expose_as exclude public access".split()  # noqa: SIM905
)
_WHEN: Final = ("on_success", "on_failure", "always")
_ACCESS: Final = ("none", "developer", "maintainer", "all")
_EXPOSED: Final = re.compile(r"[a-zA-Z0-9_\- ]+")
_LONGEST_EXPOSED: Final = 100


def check_artifacts(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with ``artifacts``."""
    entry = mapping(where, value, place, findings)
    if entry is None:
        return
    entry.allow(_KEYS)
    entry.exclusive(("public", "access"))
    entry.string("name")
    entry.boolean("untracked", "public")
    entry.strings("paths", "exclude")
    _check_exposed(entry)
    entry.one_of("when", _WHEN, f"should be one of: {', '.join(_WHEN)}")
    entry.one_of("access", _ACCESS, f"should be one of: {', '.join(_ACCESS)}")
    entry.duration("expire_in", never=True)
    reports = entry.get("reports")
    if reports is not None and not isinstance(reports, Map):
        entry.says("reports", "should be a hash")
    elif reports is not None:
        _check_reports(Entry(f"{where}:reports", reports, findings))


def _check_exposed(entry: Entry) -> None:
    exposed, paths = entry.get("expose_as"), entry.get("paths")
    if exposed is None:
        return
    if not isinstance(exposed, str):
        entry.says("expose_as", "should be a string")
    elif len(exposed) > _LONGEST_EXPOSED:
        entry.says("expose_as", f"is too long (maximum is {_LONGEST_EXPOSED} characters)")
    elif not _EXPOSED.fullmatch(exposed):
        entry.says("expose_as", "can contain only letters, digits, '-', '_' and spaces")
    if not paths:
        entry.says("paths", "can't be blank")
    elif isinstance(paths, list) and any("*" in str(one) for one in paths):
        entry.says("paths", "can't contain '*' when used with 'expose_as'")


def _check_reports(entry: Entry) -> None:
    if not entry.allow((*REPORTS, "coverage_report")):
        return
    entry.strings_or_string(*(key for key in entry.value if key != "coverage_report"))
    coverage = entry.get("coverage_report")
    if coverage is None:
        return
    place = entry.value.place("coverage_report")
    report = mapping(f"{entry.where}:coverage_report", coverage, place, entry.findings)
    if report is None:
        return
    report.allow(("coverage_format", "path"))
    if report.get("coverage_format") not in COVERAGE_FORMATS:
        formats = ", ".join(COVERAGE_FORMATS)
        report.says("coverage_format", f"must be one of supported formats: {formats}.")
    report.present("path")
