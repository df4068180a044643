"""How much room each thing takes, remembered: a tree that no job has used since is measured once a week."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pyrunner.errors import JobDirError
from pyrunner.manager.reclaimable import Reclaimable
from pyrunner.system.files import make_private, read_json, write_json

_log: Final = logging.getLogger(__name__)

#: Seconds that a measurement holds.
_HOLDS: Final = 7 * 86400.0
#: While a job works on it.
_HOLDS_IN_USE: Final = 1500.0


class Measured:
    """Sizes of what a business could do without.

    :param file: where they are remembered; None: nowhere.
    :param measure: returns the bytes that a tree takes.
    :param now: seconds since the epoch.
    """

    def __init__(self, file: Path | None, measure: Callable[[Path], int], now: Callable[[], float]) -> None:
        self._file = file
        self._measure = measure
        self._now = now
        self._known: dict[str, Any] = _load(file)
        self._kept: dict[str, list[float]] = {}

    def size_of(self, one: Reclaimable, in_use: bool = False) -> int:
        """Return the bytes that ``one`` takes.

        :param in_use: a job is at work on it: what is measured now does not hold for long.
        """
        if one.size is not None:
            return one.size
        known = self._remembered(one, in_use)
        if known is None:
            # The job makes it grow without changing its time.
            stamp = 0.0 if in_use else one.used_at
            known = [stamp, self._now(), float(self._measure(one.path))]
        self._kept[one.name] = known
        return int(known[2])

    def store(self) -> None:
        """Remember what was asked for this time; what was not is gone."""
        if self._file is None:
            return
        try:
            make_private(self._file.parent)
            write_json(self._file, self._kept, durable=False)
        except (OSError, JobDirError) as error:
            _log.warning("%s cannot be written, so all is measured again next time: %s", self._file, error)

    def _remembered(self, one: Reclaimable, in_use: bool) -> list[float] | None:
        value = self._kept.get(one.name) or self._known.get(one.name)
        if not (isinstance(value, list) and len(value) == 3 and all(type(n) in (int, float) for n in value)):
            return None
        stamp, measured_at, _ = value
        holds = _HOLDS if stamp == one.used_at else _HOLDS_IN_USE if in_use else 0.0
        return value if 0 <= self._now() - measured_at < holds else None


def _load(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        value = read_json(file)
    except (OSError, JobDirError):
        return {}
    return value if isinstance(value, dict) else {}
