"""What has to go so that a business keeps within its room, the least recently used first.

``disk_budget`` limits what everything takes that could be done without; ``min_free`` is about the disk that
the business is on, whoever fills it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pyrunner.manager.reclaimable import Reclaimable
from pyrunner.manager.retention import RetentionRules, Surplus


@dataclass
class Budget:
    """Chooses; the caller removes what is chosen before it asks for the next.

    :param size_of: bytes that something takes; may take long.
    :param free: bytes that are free on the disk now.
    :param on_disk: tells whether the room of something is on that disk.
    """

    rules: RetentionRules
    size_of: Callable[[Reclaimable], int]
    free: Callable[[], int]
    on_disk: Callable[[Reclaimable], bool] = lambda _: True
    #: Bytes that were free on the disk before anything was removed.
    free_before: int = 0
    #: What was chosen and stays after all.
    _kept: set[str] = field(default_factory=set)
    #: Bytes that all takes; None: nobody has asked for it.
    used: int | None = None
    #: Bytes on that disk that were made free, or in a trial would have been: file systems take their time.
    made_free: int = 0

    def choose(
        self, found: Iterable[Reclaimable], needed: Callable[[Reclaimable], bool]
    ) -> Iterator[Surplus]:
        """Yield what has to go, until there is room.

        :param needed: tells what jobs need: it counts, but stays.
        """
        everything = sorted(found, key=lambda one: one.used_at)
        if self.rules.disk_budget:
            self.used = sum(self.size_of(one) for one in everything)
        for one in everything:
            over, short = self._over(), self._short()
            if not over and not short:
                return
            if needed(one) or not (over or self.on_disk(one)):
                continue
            size = self.size_of(one)
            yield Surplus(one, "beyond disk_budget" if over else "less than min_free left")
            if one.name in self._kept:
                continue
            if self.used is not None:
                self.used -= size
            if self.on_disk(one):
                self.made_free += size

    def kept(self, one: Reclaimable) -> None:
        """Say that what was chosen last stays: it could not be removed."""
        self._kept.add(one.name)

    def _over(self) -> bool:
        return bool(self.rules.disk_budget) and (self.used or 0) > (self.rules.disk_budget or 0)

    def _short(self) -> bool:
        least = self.rules.min_free
        return bool(least) and max(self.free(), self.free_before + self.made_free) < (least or 0)
