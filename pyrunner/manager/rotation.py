"""Runner tokens are exchanged before they expire (config-and-commands.md 2.2, runner-api.md 1.5)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from pyrunner.config.edit import replace_token
from pyrunner.config.model import ZERO_TIME, RunnerConfig
from pyrunner.errors import PyrunnerError
from pyrunner.gitlab.runners import RunnerResult, reset_token
from pyrunner.manager.calls import Calls
from pyrunner.manager.fleet import ActiveRunner
from pyrunner.manager.mailbox import Mailbox

_log: Final = logging.getLogger(__name__)

_DISABLED: Final = "FF_DISABLE_AUTOMATIC_TOKEN_ROTATION"
#: Part of a token's life after which it is exchanged.
_DUE: Final = 0.75
#: Seconds after a failure; gitlab-runner has no pause there.
PAUSE: Final = 300.0
#: Longest sleep: the wall clock may be set meanwhile.
_LOOK_EVERY: Final = 60.0


def due_at(config: RunnerConfig) -> float:
    """Return when a token is to be exchanged, seconds since the epoch; infinite when never."""
    if config.token_expires_at == ZERO_TIME or not config.has_token:
        return math.inf
    obtained, expires = _seconds(config.token_obtained_at), _seconds(config.token_expires_at)
    return obtained + _DUE * (expires - obtained)


class Rotation:
    """Exchanges one token at a time, the one that is due first.

    :param rotated: told of the runner and its new token once the file holds it.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        config_path: Path,
        environ: Mapping[str, str],
        rotated: Callable[[ActiveRunner, str], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._calls = Calls(mailbox, "rotation", 1)
        self._path = config_path
        self._environ = environ
        self._rotated = rotated
        self._wall = wall
        self._not_before = -math.inf
        self._warned: set[str] = set()
        #: How often the file was written, and could not be, for metrics.
        self.saved = 0
        self.not_saved = 0

    def step(self, runners: Iterable[ActiveRunner], now: float) -> float:
        """Exchange a token that is due; return when to call again.

        :param now: seconds, monotonic.
        """
        if not self._calls.idle:
            return math.inf
        candidates = [one for one in runners if self._takes_part(one)]
        if not candidates:
            return now + _LOOK_EVERY
        first = min(candidates, key=lambda one: due_at(one.link.config))
        wait = max(due_at(first.link.config) - self._wall(), self._not_before - now)
        if wait > 0:
            return now + min(wait, _LOOK_EVERY)
        # Set before the outcome is known: a success moves the due time itself.
        self._not_before = now + PAUSE
        self._calls.submit(lambda: self._exchange(first), lambda token: self._done(first, token))
        return math.inf

    def _takes_part(self, runner: ActiveRunner) -> bool:
        config = runner.link.config
        if due_at(config) == math.inf:
            return False
        if not config.feature_flags.get(_DISABLED, False):
            return True
        if runner.key not in self._warned:
            self._warned.add(runner.key)
            _log.warning(
                "Automatic token rotation is disabled for runner: %s",
                config.short_token,
                extra={"fields": runner.link.log_fields},
            )
        return False

    def _exchange(self, runner: ActiveRunner) -> str:
        """Return the new token, empty when there is none; runs in a thread."""
        result = reset_token(runner.link.transport)
        if not result.succeeded or not result.token:
            return ""
        self._store(runner.link.config, result)
        return result.token

    def _store(self, config: RunnerConfig, result: RunnerResult) -> None:
        # The old token is void from now on: losing the new one would lose the runner.
        for attempt in range(5):
            try:
                changed = replace_token(
                    self._path,
                    config.same_credentials,
                    self._environ,
                    result.token,
                    result.token_obtained_at or ZERO_TIME,
                    result.token_expires_at or ZERO_TIME,
                )
            except PyrunnerError as error:
                self.not_saved += 1
                _log.error("the new token cannot be stored (try %d of 5): %s", attempt + 1, error)
                time.sleep(attempt)
            else:
                self.saved += changed
                if not changed:
                    _log.error("config.toml has no entry for the runner whose token was exchanged")
                return

    def _done(self, runner: ActiveRunner, token: str) -> None:
        if token:
            self._not_before = -math.inf
            self._rotated(runner, token)


def _seconds(moment: datetime) -> float:
    return moment.timestamp() if moment != ZERO_TIME else 0.0
