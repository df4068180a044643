"""Which old files are not kept whatever room there is: records of jobs by age, checkouts by age and number.

Never anything that a pending job needs, and never inside a slot that is busy (design R9).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.jobdir.index import done_jobs
from pyrunner.jobdir.layout import Business
from pyrunner.manager.reclaimable import Kind, Reclaimable
from pyrunner.manager.run_folders import RefFolder, project_folders, ref_folders, slot_folders

DAY: Final = 86400.0
#: Days that the control directory of an acknowledged job is kept.
KEEP_JOBS: Final = 7


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """``[runners.tristan]`` as far as it is about old files (tristan-layout.md 7)."""

    keep_branches: int = 5
    keep_days: int = 14
    #: Bytes that a business may take, as far as it could do without; None: no budget.
    disk_budget: int | None = None
    #: Bytes that shall be free on its disk; None: none.
    min_free: int | None = None


@dataclass(frozen=True, slots=True)
class Surplus:
    """Something that is not to be kept, and why."""

    what: Reclaimable
    reason: str


def find_surplus(business: Business, rules: RetentionRules, now: float) -> Iterator[Surplus]:
    """Yield what is too old or too many.

    :param now: seconds since the epoch.
    """
    for job in done_jobs(business):
        if job.changed_at < now - KEEP_JOBS * DAY:
            path = job.control.path
            old = Reclaimable(
                Kind.JOB,
                _name(business, path),
                job.changed_at,
                path,
                ref=path.parent.parent,
                job_id=job.job_id,
            )
            yield Surplus(old, f"acknowledged more than {KEEP_JOBS} days ago")
    for slot, folder in slot_folders(business):
        for project in project_folders(folder):
            yield from _of_project(business, slot, list(ref_folders(project)), rules, now)


def _of_project(
    business: Business, slot: int, refs: list[RefFolder], rules: RetentionRules, now: float
) -> Iterator[Surplus]:
    """Yield what is beyond the rules, the last used first."""
    oldest = now - rules.keep_days * DAY
    for number, ref in enumerate(sorted(refs, key=lambda one: one.used_at, reverse=True), 1):
        source = ref.path / "source"
        old = Reclaimable(Kind.SOURCES, _name(business, source), ref.used_at, source, slot=slot, ref=ref.path)
        if not source.is_dir():
            continue
        if ref.used_at < oldest:
            yield Surplus(old, f"not used for {rules.keep_days} days (keep_days)")
        elif number > rules.keep_branches:
            yield Surplus(old, f"beyond {rules.keep_branches} refs of its project (keep_branches)")


def _name(business: Business, path: Path) -> str:
    return str(path.relative_to(business.path))
