"""Runs :mod:`.retention` now and then, in the background."""

from __future__ import annotations

import logging
import math
from typing import Final

from pyrunner.manager.calls import Calls
from pyrunner.manager.fleet import ActiveRunner, Fleet
from pyrunner.manager.mailbox import Mailbox
from pyrunner.manager.retention import Retention, RetentionRules
from pyrunner.manager.slots import Slots

_log: Final = logging.getLogger(__name__)

#: Seconds from the start to the first round, and between rounds.
FIRST: Final = 120.0
EVERY: Final = 1800.0


class Housekeeping:
    """Prunes every business, one after the other."""

    def __init__(self, mailbox: Mailbox, fleet: Fleet) -> None:
        self._calls = Calls(mailbox, "housekeeping", 1)
        self._fleet = fleet
        self._due = math.nan

    def step(self, now: float) -> float:
        """Begin a round when it is time to; return when to call again."""
        if math.isnan(self._due):
            self._due = now + FIRST
        if now >= self._due and self._calls.idle:
            self._due = now + EVERY
            for slots in self._fleet.slots():
                self._prune(slots, self._fleet.runners.get(str(slots.business.path)))
        return max(self._due, now + 1.0)

    def _prune(self, slots: Slots, runner: ActiveRunner | None) -> None:
        rules = RetentionRules()
        if runner is not None:
            tristan = runner.link.config.tristan
            rules = RetentionRules(tristan.keep_branches, tristan.keep_days, tristan.disk_budget)
        retention = Retention(slots.business, slots)
        self._calls.submit(
            lambda: retention.prune(rules),
            lambda _: None,
            lambda error: _log.warning("%s cannot be tidied up: %s", slots.business.path, error),
        )
