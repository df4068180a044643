"""What jobs of a business still need: that is never removed (design R9)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyrunner.errors import JobDirError
from pyrunner.jobdir.index import pending_jobs
from pyrunner.jobdir.layout import Business
from pyrunner.jobdir.record import JobRecord
from pyrunner.manager.reclaimable import Reclaimable
from pyrunner.manager.slot_locks import unfinished_jobs


@dataclass(frozen=True, slots=True)
class InUse:
    """The pending jobs of a business at one moment."""

    #: Control directories of jobs that the coordinator has not acknowledged.
    pending: frozenset[Path]
    #: Slots with a job that has not ended.
    slots: frozenset[int]
    #: Folders of the caches of projects with such a job.
    caches: frozenset[Path]
    #: A job's record cannot be read: it may use any cache.
    unknown_caches: bool
    #: When the oldest such job came, seconds since the epoch; None: there is none.
    since: float | None

    @classmethod
    def of(cls, business: Business) -> InUse:
        """Return what is needed now."""
        unfinished = [one.control for one in unfinished_jobs(business)]
        slots, caches, since = set(), set(), []
        unknown = False
        run = business.path / "run"
        for control in unfinished:
            if control.path.is_relative_to(run):
                slots.add(int(control.path.relative_to(run).parts[0]))
            try:
                record = JobRecord.load(control.job)
            except (OSError, JobDirError):
                unknown = True
                since.append(0.0)
                continue
            caches.add(Path(record.cache).parent)
            since.append(record.received_at)
        return cls(
            pending=frozenset(one.control.path for one in pending_jobs(business)),
            slots=frozenset(slots),
            caches=frozenset(caches),
            unknown_caches=unknown,
            since=min(since, default=None),
        )

    def needs(self, one: Reclaimable) -> bool:
        """Tell whether a job may need ``one``."""
        return one.held or self.works_on(one) or (one.ref is not None and self.keeps(one.ref, one.job_id))

    def works_on(self, one: Reclaimable) -> bool:
        """Tell whether a job that has not ended may be writing to ``one``."""
        if one.slot and one.slot in self.slots:
            return True
        return one.project_cache is not None and (self.unknown_caches or one.project_cache in self.caches)

    def keeps(self, ref: Path, job_id: int = 0) -> bool:
        """Tell whether a job of a ref has a result to deliver; with ``job_id``, whether that very job has."""
        if job_id:
            return any(one.name == str(job_id) for one in self.pending if one.is_relative_to(ref))
        return any(one.is_relative_to(ref) for one in self.pending)
