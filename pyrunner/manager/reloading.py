"""Takes over changes of config.toml while jobs run (config-and-commands.md 1.14, 1.15)."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Final

from pyrunner.config.model import Config
from pyrunner.config.watch import INTERVAL, ConfigWatcher, Reload
from pyrunner.errors import PyrunnerError

_log: Final = logging.getLogger(__name__)


class Reloading:
    """Looks at the file every three seconds; what cannot be used changes nothing.

    :param watcher: None: the configuration never changes.
    :param apply: takes over a configuration, or raises and leaves all as it is.
    """

    def __init__(
        self,
        watcher: ConfigWatcher | None,
        apply: Callable[[Config], None],
        apply_logging: Callable[[Config], None],
    ) -> None:
        self._watcher = watcher
        self._apply = apply
        self._apply_logging = apply_logging
        self._due = -math.inf
        #: How often a configuration was loaded, and could not be, for metrics.
        self.loaded = 0
        self.failed = 0

    def count_first(self, loaded: bool) -> None:
        """Count the load at the start, which others did."""
        self.loaded += loaded
        self.failed += not loaded

    def step(self, now: float) -> float:
        """Look at the file when it is time to; return when to call again."""
        if self._watcher is None:
            return math.inf
        if now >= self._due:
            self._due = now + INTERVAL
            self._take(self._watcher.poll(now))
        return self._due

    def now(self) -> bool:
        """Read the file at once, changed or not; False when there is none to read."""
        if self._watcher is None:
            return False
        self._take(self._watcher.reload())
        return True

    def _take(self, reload: Reload | None) -> None:
        if reload is None:
            return
        if reload.config is None:
            self.failed += 1
            _log.error("Failed to load config %s", reload.error)
            return
        try:
            self._apply(reload.config)
            self._apply_logging(reload.config)
        except PyrunnerError as error:
            self.failed += 1
            _log.error("Failed to load config %s", error)
            return
        self.loaded += 1
        self.log_notices(reload.config)
        _log.info(
            "Configuration loaded", extra={"fields": {"builds": 0, "max_builds": reload.config.concurrent}}
        )

    @staticmethod
    def log_notices(config: Config) -> None:
        """Write what the owner of the file should know."""
        for notice in config.notices:
            level = logging.WARNING if notice.level == "warning" else logging.INFO
            _log.log(level, "%s", notice.text, extra={"fields": dict(notice.fields)})
