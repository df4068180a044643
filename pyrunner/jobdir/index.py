"""Which jobs a business knows: one small record a job, so that no tree has to be searched.

``jobs/pending/<job id>`` holds the path of the control directory, relative to the business folder.
It is made before the supervisor starts and moved to ``jobs/done/`` once the coordinator has
acknowledged the job (design R9).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyrunner.errors import JobDirError
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.layout import Business
from pyrunner.system.files import make_private, write_atomic


@dataclass(frozen=True, slots=True)
class IndexedJob:
    """A job that the index knows."""

    job_id: int
    control: ControlDir
    #: When the record was made or moved, seconds since the epoch.
    changed_at: float


def add_pending(business: Business, job_id: int, control: ControlDir) -> None:
    """Record a job; durable when this returns."""
    make_private(business.pending)
    relative = control.path.relative_to(business.path)
    write_atomic(business.pending / str(job_id), str(relative).encode("utf-8", "surrogateescape"))


def pending_jobs(business: Business) -> list[IndexedJob]:
    """Return the jobs that are not acknowledged, oldest first."""
    return sorted(_jobs(business, business.pending), key=lambda one: (one.changed_at, one.job_id))


def done_jobs(business: Business) -> list[IndexedJob]:
    """Return the jobs that are acknowledged and not yet pruned, oldest first."""
    return sorted(_jobs(business, business.done), key=lambda one: (one.changed_at, one.job_id))


def find_done(business: Business, job_id: int) -> IndexedJob | None:
    """Return an acknowledged job that is not yet pruned; None when the index does not know it."""
    return _indexed(business, business.done / str(job_id))


def mark_done(business: Business, job_id: int) -> None:
    """Move a job's record from pending to done. Safe twice."""
    make_private(business.done)
    try:
        (business.pending / str(job_id)).rename(business.done / str(job_id))
    except FileNotFoundError:
        return
    (business.done / str(job_id)).touch()


def forget_done(business: Business, job_id: int) -> None:
    """Drop a job's record once its control directory is gone."""
    (business.done / str(job_id)).unlink(missing_ok=True)


def _jobs(business: Business, folder: Path) -> Iterator[IndexedJob]:
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError:
        return
    for entry in entries:
        if not entry.name.isdigit():
            continue
        job = _indexed(business, entry)
        if job is not None:
            yield job


def _indexed(business: Business, entry: Path) -> IndexedJob | None:
    try:
        relative = entry.read_bytes().decode("utf-8", "surrogateescape")
        changed_at = entry.stat().st_mtime
    except FileNotFoundError:
        return None
    path = business.path / relative
    if not relative or relative.startswith("/") or ".." in Path(relative).parts:
        raise JobDirError(f"{entry}: not the path of a control directory: {relative!r}")
    return IndexedJob(int(entry.name), ControlDir(path), changed_at)
