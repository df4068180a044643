"""The connections of a transport: replaced when TLS files change or they grow old."""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
from collections.abc import Callable, Iterator

from pyrunner.gitlab.connection import CoordinatorSession
from pyrunner.gitlab.trust import Snapshot, TlsFiles, Trust, build_trust

_log = logging.getLogger(__name__)


class _Generation:
    """Connections of one age and one TLS configuration, closed when the last user has left."""

    def __init__(self, context: Callable[[], ssl.SSLContext], born: float) -> None:
        self.session = CoordinatorSession(context)
        self.born = born
        self.users = 0
        self.retired = False


class Sessions:
    """Lends the session of the moment.

    Connections are never closed below a call that uses them: a generation is retired, and closes
    with its last user. So load balancing and rotated certificates take effect (runner-api.md 6.3).

    :param max_age: seconds until idle connections are replaced, 0 for never.
    """

    def __init__(self, files: TlsFiles, max_age: float, monotonic: Callable[[], float]) -> None:
        self._files = files
        self._max_age = max_age
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._generation: _Generation | None = None
        self._trust: Trust | None = None
        self._snapshot: Snapshot = ()

    @contextlib.contextmanager
    def lease(self) -> Iterator[CoordinatorSession]:
        """Lend the session that fits the TLS files as they are now."""
        generation = self._enter()
        try:
            yield generation.session
        finally:
            self._leave(generation)

    def ca_data(self) -> str:
        """Return the text of the CA file, empty when none is loaded."""
        with self._lock:
            self._renew_trust()
            return self._built_trust().ca_data

    def close(self) -> None:
        """Retire the connections; the next call makes new ones."""
        with self._lock:
            self._retire()

    def _enter(self) -> _Generation:
        with self._lock:
            self._renew_trust()
            now = self._monotonic()
            generation = self._generation
            if generation is not None and 0 < self._max_age < now - generation.born:
                _log.debug(
                    "Closing idle connections",
                    extra={"fields": {"elapsed_s": now - generation.born, "max_age_s": self._max_age}},
                )
                self._retire()
                generation = None
            if generation is None:
                generation = self._generation = _Generation(self._context, now)
            generation.users += 1
            return generation

    def _leave(self, generation: _Generation) -> None:
        with self._lock:
            generation.users -= 1
            if generation.retired and not generation.users:
                generation.session.close()

    def _renew_trust(self) -> None:
        snapshot = self._files.snapshot()
        if snapshot != self._snapshot:
            self._snapshot = snapshot
            self._trust = None
            self._retire()

    def _retire(self) -> None:
        generation, self._generation = self._generation, None
        if generation is not None:
            generation.retired = True
            if not generation.users:
                generation.session.close()

    def _built_trust(self) -> Trust:
        if self._trust is None:
            self._trust = build_trust(self._files)
        return self._trust

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            return self._built_trust().context
