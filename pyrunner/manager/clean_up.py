"""One round of tidying up one business: what is too old, what is too many, what is too much.

Used by ``pyrunner gc``, which the manager starts now and then as well: whoever does it, the locks of
:mod:`.slot_locks` and the index of pending jobs keep it away from jobs.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pyrunner.config.sizes import format_size
from pyrunner.errors import JobDirError, PyrunnerError
from pyrunner.jobdir.layout import Business
from pyrunner.manager.budget import Budget
from pyrunner.manager.engine_things import EngineThings
from pyrunner.manager.eviction import Eviction, Reservable
from pyrunner.manager.in_use import InUse
from pyrunner.manager.measured import Measured
from pyrunner.manager.reclaimable import Kind, Reclaimable, find_reclaimable
from pyrunner.manager.retention import RetentionRules, Surplus, find_surplus
from pyrunner.manager.slot_locks import SlotsOnDisk
from pyrunner.system.files import make_private
from pyrunner.system.lock import OpenFileLock
from pyrunner.system.tree_size import tree_size

_log: Final = logging.getLogger(__name__)

_OF_ENGINE: Final = (Kind.IMAGE, Kind.VOLUME)


@dataclass(frozen=True, slots=True)
class Removal:
    """Something that went, or in a trial would have gone."""

    kind: str
    name: str
    #: Bytes.
    size: int
    #: Seconds since the epoch.
    used_at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that was to go and stays."""

    kind: str
    name: str
    why: str


@dataclass
class CleanUpResult:
    """What a round came to; sizes are in bytes."""

    business: str
    path: str
    removed: list[Removal] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    #: What everything takes that could be done without, after the round; None: there is no budget.
    used: int | None = None
    disk_budget: int | None = None
    free: int = 0
    min_free: int | None = None


class CleanUpRuns(PyrunnerError):
    """Another process is tidying up the same business."""


class CleanUp:
    """Tidies up one business.

    :param engine: None: no engine on this host keeps anything for it.
    :param dry_run: only tell what would go; nothing is changed, no lock is taken.
    :param measure: bytes that a tree takes.
    :param now: seconds since the epoch.
    """

    def __init__(
        self,
        business: Business,
        engine: EngineThings | None = None,
        *,
        dry_run: bool = False,
        slots: Reservable | None = None,
        measure: Callable[[Path], int] = tree_size,
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._business = business
        self._engine = engine
        self._dry_run = dry_run
        self._now = now
        self._free = free
        self._eviction = Eviction(business, slots or SlotsOnDisk(business))
        self._measured = Measured(business.measured, measure, now)
        self._needed: InUse
        self._result = CleanUpResult(business.business_id, str(business.path))

    def run(self, rules: RetentionRules) -> CleanUpResult:
        """Do it.

        :raises CleanUpRuns: when another process is at it.
        :raises JobDirError: when the business cannot be read or locked.
        """
        lock = None if self._dry_run else self._lock()
        try:
            return self._run(rules)
        except OSError as error:
            raise JobDirError(f"{error.filename or self._business.path}: {error.strerror}") from error
        finally:
            if lock is not None:
                lock.close()

    def _run(self, rules: RetentionRules) -> CleanUpResult:
        self._needed = InUse.of(self._business)
        free_before = self._free(self._business.path)
        if not self._dry_run:
            self._eviction.sweep()
        gone: set[Path] = set()
        for surplus in find_surplus(self._business, rules, self._now()):
            if self._remove(surplus):
                gone.add(surplus.what.path)
        result = self._result
        result.disk_budget, result.min_free = rules.disk_budget, rules.min_free
        if rules.disk_budget or rules.min_free:
            self._make_room(rules, gone, free_before)
        result.free = self._free(self._business.path)
        return result

    def _make_room(self, rules: RetentionRules, gone: set[Path], free_before: int) -> None:
        found = [one for one in find_reclaimable(self._business, self._now()) if one.path not in gone]
        of_engine = list(self._engine.find()) if self._engine is not None else []
        device = self._business.path.stat().st_dev
        engine_is_here = self._engine is not None and self._engine.is_on(device)
        budget = Budget(
            rules,
            self._size_of,
            lambda: self._free(self._business.path),
            lambda one: engine_is_here or one.kind not in _OF_ENGINE,
            free_before=free_before,
            made_free=sum(one.size for one in self._result.removed),
        )
        for surplus in budget.choose([*found, *of_engine], self._needed.needs):
            if not self._remove(surplus):
                budget.kept(surplus.what)
        self._result.used = budget.used
        if not self._dry_run:
            self._measured.store()

    def _remove(self, surplus: Surplus) -> bool:
        one = surplus.what
        size = self._size_of(one)
        if self._dry_run:
            why = "a job needs it" if self._needed.needs(one) else ""
        elif one.kind in _OF_ENGINE and self._engine is not None:
            why = self._engine.remove(one)
        else:
            why = self._eviction.remove(one)
        if why:
            self._result.kept.append(Kept(str(one.kind), one.name, why))
        else:
            self._result.removed.append(Removal(str(one.kind), one.name, size, one.used_at, surplus.reason))
        if not self._dry_run:
            self._tell(surplus, size, why)
        return not why

    def _size_of(self, one: Reclaimable) -> int:
        return self._measured.size_of(one, self._needed.works_on(one))

    def _tell(self, surplus: Surplus, size: int, why: str) -> None:
        one = surplus.what
        fields = {
            "business": self._business.business_id,
            "kind": str(one.kind),
            "name": one.name,
            "size": format_size(size),
            "used": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.used_at)),
            "reason": surplus.reason,
        }
        if why:
            # Every round meets what is in use.
            _log.debug("Not removed: %s", why, extra={"fields": fields})
        else:
            _log.info("Removed to make room", extra={"fields": fields})

    def _lock(self) -> OpenFileLock:
        path = self._business.clean_up_lock
        try:
            make_private(path.parent)
            lock = OpenFileLock.take(path)
        except OSError as error:
            raise JobDirError(f"cannot lock {path}: {error.strerror}") from error
        if lock is None:
            raise CleanUpRuns(f"{self._business.path} is being tidied up by another process already")
        return lock
