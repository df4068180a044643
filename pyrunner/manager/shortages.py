"""Says once that a runner takes no jobs for want of room, and once that it does again."""

from __future__ import annotations

import logging
from typing import Final

from pyrunner.manager.fleet import ActiveRunner

_log: Final = logging.getLogger(__name__)


class Shortages:
    """Remembers who is short of room; the free bytes in the text change all the time."""

    def __init__(self) -> None:
        self._short: set[str] = set()

    def note(self, runner: ActiveRunner, shortage: str) -> None:
        """Take note of a look.

        :param shortage: why there is no room; empty: there is.
        """
        if bool(shortage) == (runner.key in self._short):
            return
        fields = runner.link.log_fields
        if shortage:
            self._short.add(runner.key)
            _log.warning("No jobs are asked for: %s", shortage, extra={"fields": fields})
        else:
            self._short.discard(runner.key)
            _log.info("There is room again; jobs are asked for", extra={"fields": fields})
