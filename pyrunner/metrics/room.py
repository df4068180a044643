"""Room on the disk by runner, looked up in the thread that answers a request: disks can be slow, or hang."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from pyrunner.errors import JobDirError
from pyrunner.metrics import own
from pyrunner.metrics.definition import Sample
from pyrunner.metrics.view import RunnerRoom
from pyrunner.system.files import read_json

#: Seconds for which the size of the caches is taken to be the same.
_CACHES_HOLD: Final = 300.0
#: Levels below the caches' folder: host, project, kind, and the parts of a key.
_DEEPEST: Final = 32
#: Files that are added up at most: more would take longer than a scrape may.
_MOST_FILES: Final = 100_000


class Rooms:
    """Samples of disks, budgets and caches.

    :param clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._caches: dict[Path, tuple[float, int]] = {}
        self._looking = threading.Lock()

    def samples(self, rooms: Iterable[RunnerRoom]) -> list[Sample]:
        """Return what is known of each runner's room; what cannot be read is left out."""
        return [sample for room in rooms for sample in self._of(room)]

    def _of(self, room: RunnerRoom) -> Iterator[Sample]:
        try:
            disk = shutil.disk_usage(room.folder)
        except OSError:  # made with its first job
            pass
        else:
            yield Sample(own.DISK_FREE, room.labels, disk.free)
            yield Sample(own.DISK_TOTAL, room.labels, disk.total)
        if room.min_free:
            yield Sample(own.DISK_MIN_FREE, room.labels, room.min_free)
        if room.budget:
            yield Sample(own.DISK_BUDGET, room.labels, room.budget)
            used = _measured(room.measured)
            if used is not None:
                yield Sample(own.DISK_BUDGET_USED, room.labels, used)
        yield Sample(own.CACHE_SIZE, room.labels, self._cache_size(room.cache))

    def _cache_size(self, folder: Path) -> int:
        with self._looking:
            now = self._clock()
            looked_at, size = self._caches.get(folder, (-_CACHES_HOLD, 0))
            if now >= looked_at + _CACHES_HOLD:
                size = _size_of(folder)
                self._caches[folder] = (now, size)
            return size


def _size_of(folder: Path) -> int:
    """Return the bytes of the files below a folder; no link is followed, and what vanishes does not count."""
    total = seen = 0
    top = str(folder).count("/")
    for place, folders, names in os.walk(folder):
        seen += len(folders)
        if place.count("/") - top >= _DEEPEST:
            # Jobs of the shell executor may write here: no tree of theirs shall end a scrape.
            folders.clear()
        for name in names:
            seen += 1
            if seen > _MOST_FILES:
                return total
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                continue
    return total


def _measured(file: Path) -> int | None:
    """Return the sum of what was measured last (:mod:`pyrunner.manager.measured`); None before that."""
    try:
        value = read_json(file)
    except (OSError, JobDirError):
        return None
    if not isinstance(value, dict):
        return None
    sizes = [one[2] for one in value.values() if isinstance(one, list) and len(one) == 3]
    return int(sum(one for one in sizes if isinstance(one, int | float)))
