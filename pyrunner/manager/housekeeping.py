"""Tidies up now and then, by a process of its own: ``pyrunner gc`` (:mod:`pyrunner.manager.clean_up`).

To measure and empty trees takes minutes of work that the manager has no time for, and to ask an engine for
its images a library that it has no memory for. The two share files and nothing else (design R3).
"""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pyrunner.errors import PyrunnerError
from pyrunner.manager.calls import Calls
from pyrunner.manager.clean_up_order import CleanUpOrder
from pyrunner.manager.fleet import Fleet
from pyrunner.manager.mailbox import Mailbox
from pyrunner.system.logs import current_settings

_log: Final = logging.getLogger(__name__)

#: Seconds from the start to the first round, between rounds, and between rounds when there is no room.
FIRST: Final = 120.0
EVERY: Final = 1800.0
HURRY: Final = 60.0
#: Seconds after which a round is given up: the next one goes on where it was.
_PATIENCE: Final = 6 * 3600.0
# As with the fork server: this very package, wherever the process was started.
_PROGRAM: Final = (
    "import runpy, sys; p = sys.argv.pop(1); p in sys.path or sys.path.insert(0, p); "
    "runpy.run_module('pyrunner', run_name='__main__')"
)


def clean_up(orders: Sequence[CleanUpOrder], environ: Mapping[str, str]) -> None:
    """Run one process for a round; what it does it says itself, in our log. Takes as long as that.

    :raises PyrunnerError: when it does not do its work.
    """
    log_format, level = current_settings()
    package_parent = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-P", "-c", _PROGRAM, package_parent]
    command += ["--log-format", log_format, "--log-level", level, "gc", "--orders"]
    try:
        ended = subprocess.run(
            command,
            input=json.dumps([one.to_dict() for one in orders]).encode(),
            stdout=subprocess.DEVNULL,
            env=dict(environ),
            # A signal to our process group is for us alone.
            start_new_session=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PyrunnerError(f"{command[0]} gc: {error}") from error
    if ended.returncode:
        raise PyrunnerError(f"gc ended with exit code {ended.returncode}; see its lines above")


class Housekeeping:
    """Lets every business be tidied up, one after the other.

    :param work: does a round; may take hours.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        fleet: Fleet,
        environ: Mapping[str, str],
        work: Callable[[Sequence[CleanUpOrder], Mapping[str, str]], None] = clean_up,
    ) -> None:
        self._work = work
        self._calls = Calls(mailbox, "housekeeping", 1)
        self._fleet = fleet
        self._environ = environ
        self._due = math.nan
        self._began = -math.inf
        self._wanted = False

    def hurry(self) -> None:
        """There is no room for another job: do not wait for the next round."""
        self._wanted = True

    def step(self, now: float) -> float:
        """Begin a round when it is time to; return when to call again."""
        if math.isnan(self._due):
            self._due = now + FIRST
        if self._wanted:
            self._wanted = False
            self._due = min(self._due, self._began + HURRY)
        if now >= self._due and self._calls.idle:
            self._due, self._began = now + EVERY, now
            orders = [
                CleanUpOrder.of(slots.business, runner.link.config if runner is not None else None)
                for slots in self._fleet.slots()
                for runner in [self._fleet.runners.get(str(slots.business.path))]
            ]
            self._calls.submit(
                lambda: self._work(orders, self._environ),
                lambda _: None,
                lambda error: _log.warning("nothing is tidied up: %s", error),
            )
        return max(self._due, now + 1.0)
