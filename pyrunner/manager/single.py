"""``run-single``: one runner, one job at a time, until it has had enough (config-and-commands.md 2.5)."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pyrunner.config.model import Config, RunnerConfig
from pyrunner.errors import PyrunnerError
from pyrunner.manager.intake import HostSettings
from pyrunner.manager.manager import Manager
from pyrunner.system.logs import FATAL

_log: Final = logging.getLogger(__name__)

#: Seconds that an unhealthy runner waits.
_UNHEALTHY_PAUSE: Final = 300.0


@dataclass(frozen=True)
class SingleOptions:
    """The command line of ``run-single``."""

    runner: RunnerConfig
    system_id: str
    #: Jobs before the process ends; 0: any number.
    max_builds: int = 0
    #: Seconds without a job before the process ends; 0: for ever.
    wait_timeout: float = 0.0
    #: Seconds a forceful end may take.
    shutdown_timeout: float = 30.0
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def run_single(options: SingleOptions) -> int:
    """Run until told to stop or done; return the exit code: 0 after an orderly end, else 1."""
    runner = replace(
        options.runner,
        unhealthy_requests_limit=1,
        unhealthy_interval=_UNHEALTHY_PAUSE,
        strict_check_interval=True,
    )
    _log.info("Starting runner for %s with token %s ...", runner.url, runner.short_token)
    try:
        manager = Manager(
            config=Config(concurrent=1, shutdown_timeout=round(options.shutdown_timeout), runners=[runner]),
            environ=options.environ,
            host=HostSettings(options.system_id, working_directory=os.getcwd()),
            detaches=False,
        )
        manager.companion = Ending(options, manager).step
        code = manager.run()
    except PyrunnerError as error:
        _log.log(FATAL, "Service run failed", extra={"fields": {"error": str(error)}})
        return 1
    if options.max_builds and manager.roster.taken >= options.max_builds:
        _log.info("This runner has processed its build limit, so now exiting")
    return code


class Ending:
    """Decides when a single runner has had enough."""

    def __init__(self, options: SingleOptions, manager: Manager) -> None:
        self._options = options
        self._manager = manager
        self._idle_since = math.nan

    def step(self, now: float) -> float:
        """End the process when it is time to; return when to call again."""
        manager, options = self._manager, self._options
        if manager.shutdown.begun:
            return math.inf
        if options.max_builds and manager.roster.taken >= options.max_builds:
            manager.shutdown.leave(now)
            return math.inf
        if len(manager.roster) or math.isnan(self._idle_since):
            self._idle_since = now
        if not options.wait_timeout:
            return math.inf
        ends = self._idle_since + options.wait_timeout
        if now >= ends:
            _log.info(
                "This runner has not received a job in %d seconds, so now exiting",
                round(options.wait_timeout),
            )
            manager.shutdown.leave(now)
        return ends
