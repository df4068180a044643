"""Which executor id a job gets (tristan-layout.md 2): where its sources are, else where least is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrunner.errors import JobDirError
from pyrunner.jobdir.layout import Business, JobPlace, place_job
from pyrunner.manager.guard import belongs_to_another
from pyrunner.manager.slot_locks import SlotLocks
from pyrunner.protocol.job import Job
from pyrunner.system.files import make_private, write_json


@dataclass(frozen=True, slots=True)
class Slot:
    """One executor id, taken for one job."""

    executor_id: int
    #: Of the runner's token; jobs of one token and project are told apart by a number.
    token: str
    project_id: int
    concurrent_project_id: int


class Slots:
    """The executor ids of one business; each runs one job at a time."""

    def __init__(self, business: Business) -> None:
        self.business = business
        self._busy: dict[int, Slot] = {}
        #: Of slots into which a job is being put: whoever cleans up keeps out of them.
        self._locks = SlotLocks(business)

    @property
    def busy(self) -> Collection[int]:
        """Executor ids that run a job."""
        return self._busy.keys()

    def take(self, token: str, job: Job | None, source_path: str, keep: Collection[Path] = ()) -> Slot:
        """Choose a slot for a job and take it; nothing in it is cleaned up until :meth:`settled`.

        :param job: None when the payload does not decode: any slot will do.
        :param keep: control directories of jobs that are not acknowledged: no choice may cost one.
        :raises JobDirError: when no slot can be locked.
        :raises OSError: the same.
        """
        reserved: set[int] = set()
        executor_id = self._choose(job, source_path, keep, reserved)
        while not self._locks.take(executor_id):
            reserved.add(executor_id)
            executor_id = self._choose(job, source_path, keep, reserved)
        project_id = job.job_info.project_id if job else 0
        slot = Slot(executor_id, token, project_id, self._project_number(token, project_id))
        self._busy[executor_id] = slot
        return slot

    def settled(self, slot: Slot) -> None:
        """The job in the slot is in the index of pending ones, which keeps the slot from now on."""
        self._locks.give(slot.executor_id)

    def occupy(self, slot: Slot) -> None:
        """Take the slot that a job of a former manager runs in."""
        self._busy[slot.executor_id] = slot

    def release(self, slot: Slot) -> None:
        """Give a slot back. Safe twice."""
        if self._busy.get(slot.executor_id) == slot:
            del self._busy[slot.executor_id]
            self._locks.give(slot.executor_id)

    def place(self, slot: Slot, job: Job, source_path: str) -> JobPlace:
        """Return where a job runs in its slot."""
        return place_job(self.business, slot.executor_id, job, source_path)

    def store_parameters(self, executor_id: int, parameters: dict[str, Any]) -> None:
        """Write data_data.json, 0600: what the job in this slot was started with.

        :raises JobDirError: when it cannot be written.
        """
        path = self.business.start_parameters(executor_id)
        try:
            make_private(path.parent)
            write_json(path, parameters, durable=False)
        except OSError as error:
            raise JobDirError(f"cannot write {path}: {error.strerror}") from error

    def _choose(
        self, job: Job | None, source_path: str, keep: Collection[Path], reserved: Collection[int]
    ) -> int:
        known = sorted(self._known())
        free = [one for one in known if one not in self._busy and one not in reserved]
        if job is not None:
            free = [one for one in free if not self._would_lose(one, job, keep)]
            for holds in (self._holds_ref, self._holds_project):
                found = [one for one in free if holds(one, job, source_path)]
                if found:
                    return min(found, key=self._last_used)
        if free:
            return min(free, key=self._last_used)
        used = {*known, *self._busy, *reserved}
        return next(number for number in range(1, len(used) + 2) if number not in used)

    def _known(self) -> Iterator[int]:
        try:
            entries = list((self.business.path / "run").iterdir())
        except FileNotFoundError:
            return
        yield from (int(one.name) for one in entries if one.name.isdecimal() and int(one.name) > 0)

    def _holds_ref(self, executor_id: int, job: Job, source_path: str) -> bool:
        place = place_job(self.business, executor_id, job, source_path)
        return place.source.is_dir() and not belongs_to_another(place.project, job)

    def _holds_project(self, executor_id: int, job: Job, _source_path: str) -> bool:
        project = self.business.project(executor_id, job)
        return (project / ".project").exists() and not belongs_to_another(project, job)

    def _would_lose(self, executor_id: int, job: Job, keep: Collection[Path]) -> bool:
        """Tell whether taking the project's folder would move a result away that is still to be sent."""
        project = self.business.project(executor_id, job)
        return belongs_to_another(project, job) and any(one.is_relative_to(project) for one in keep)

    def _last_used(self, executor_id: int) -> float:
        try:
            return self.business.start_parameters(executor_id).stat().st_mtime
        except OSError:
            return 0.0

    def _project_number(self, token: str, project_id: int) -> int:
        used = {
            one.concurrent_project_id
            for one in self._busy.values()
            if one.token == token and one.project_id == project_id
        }
        return next(number for number in range(len(used) + 1) if number not in used)
