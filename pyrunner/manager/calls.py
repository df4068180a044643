"""Calls to the coordinator run in threads; their results come back through the mailbox.

The threads are daemons: one that hangs in name resolution, where nothing can reach it, must not keep
the process from exiting. Those of a ``ThreadPoolExecutor`` are joined at exit, whatever they do.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from pyrunner.manager.mailbox import Mailbox

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)


class Calls:
    """Runs functions in threads, at most ``limit`` at a time; the others wait in order.

    Used by the main loop only.

    :param limit: 0 for no limit.
    """

    def __init__(self, mailbox: Mailbox, name: str, limit: int = 0) -> None:
        self._mailbox = mailbox
        self._name = name
        self._limit = limit
        self._waiting: deque[Callable[[], None]] = deque()
        self.running = 0

    def submit(
        self,
        function: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Run ``function`` in a thread, then ``done`` with its result in the main loop.

        :param failed: called instead when the function raised; without it that is logged as a bug.
        """

        def work() -> None:
            try:
                result = function()
            except Exception as error:  # noqa: BLE001 - handed to the main loop, which decides
                self._mailbox.post(_bound(failed or _report, error))
            else:
                self._mailbox.post(_bound(done, result))
            finally:
                self._mailbox.post(self._ended)

        self._waiting.append(work)
        self._start()

    @property
    def idle(self) -> bool:
        """Nothing runs or waits."""
        return self.running == 0 and not self._waiting

    def _start(self) -> None:
        while self._waiting and (not self._limit or self.running < self._limit):
            self.running += 1
            threading.Thread(target=self._waiting.popleft(), name=self._name, daemon=True).start()

    def _ended(self) -> None:
        self.running -= 1
        self._start()


def _bound(call: Callable[[T], None], value: T) -> Callable[[], None]:
    return lambda: call(value)


def _report(error: Exception) -> None:
    _log.error("a call failed unexpectedly: %s", error, exc_info=error)
