"""Slots are locked by files, so that a clean-up in another process and the manager keep out of each
other's way.

The manager holds a slot's lock from its choice until the job is in the index of pending ones; whoever takes
something away from a slot holds it meanwhile, and looks into that index first. Nobody waits: a job gets
another slot, a clean-up leaves what is in use.
"""

from __future__ import annotations

import threading

from pyrunner.errors import JobDirError
from pyrunner.jobdir.index import IndexedJob, pending_jobs
from pyrunner.jobdir.journal import load_state
from pyrunner.jobdir.layout import Business
from pyrunner.system.files import make_private
from pyrunner.system.lock import OpenFileLock


class SlotLocks:
    """The locks that this process holds on slots of one business; may be used by several threads."""

    def __init__(self, business: Business) -> None:
        self._business = business
        self._held: dict[int, OpenFileLock] = {}
        self._mutex = threading.Lock()

    def take(self, executor_id: int) -> bool:
        """Lock a slot; False when somebody, this process included, holds its lock.

        :raises JobDirError: when the lock's folder cannot be made.
        :raises OSError: when the lock's file cannot be opened.
        """
        path = self._business.slot_lock(executor_id)
        with self._mutex:
            if executor_id in self._held:
                return False
            make_private(path.parent)
            lock = OpenFileLock.take(path)
            if lock is not None:
                self._held[executor_id] = lock
            return lock is not None

    def give(self, executor_id: int) -> None:
        """Unlock a slot. Safe twice."""
        with self._mutex:
            lock = self._held.pop(executor_id, None)
        if lock is not None:
            lock.close()


class SlotsOnDisk:
    """The slots of a business as its files tell: for a process that is not its manager."""

    def __init__(self, business: Business) -> None:
        self._business = business
        self._locks = SlotLocks(business)

    def reserve(self, executor_id: int) -> bool:
        """Keep jobs out of a slot; False when one is in it, or is being put into it."""
        if not self._locks.take(executor_id):
            return False
        folder = self._business.slot(executor_id)
        try:
            busy = any(one.control.path.is_relative_to(folder) for one in unfinished_jobs(self._business))
        except BaseException:
            self._locks.give(executor_id)
            raise
        if busy:
            self._locks.give(executor_id)
        return not busy

    def unreserve(self, executor_id: int) -> None:
        """Let jobs in again."""
        self._locks.give(executor_id)


def unfinished_jobs(business: Business) -> list[IndexedJob]:
    """Return the jobs that have not ended; one whose journal makes no sense may be running."""
    return [one for one in pending_jobs(business) if not _has_ended(one)]


def _has_ended(job: IndexedJob) -> bool:
    try:
        state = load_state(job.control.state)
    except (OSError, JobDirError):
        return False
    return state is not None and state.phase == "finished"
