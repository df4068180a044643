"""One transport per coordinator, token and TLS files, shared by all that serve a runner."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.transport import Transport


class Transports:
    """Hands out transports; the same credentials get the same one (runner-api.md 4.5).

    So ``last_update``, connections and certificate look-ups are shared by the workers of a runner
    and survive a reload of the configuration.

    :param build: makes a transport, e.g. ``Transport`` with the certificate directory bound.
    """

    def __init__(self, build: Callable[[RunnerCredentials], Transport] = Transport) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._transports: dict[RunnerCredentials, Transport] = {}

    def get(self, credentials: RunnerCredentials) -> Transport:
        """Return the transport for ``credentials``, made at the first request for it."""
        with self._lock:
            transport = self._transports.get(credentials)
            if transport is None:
                transport = self._transports[credentials] = self._build(credentials)
            return transport

    def keep_only(self, wanted: set[RunnerCredentials]) -> None:
        """Forget and close the others, e.g. after a runner left the configuration or changed its token."""
        with self._lock:
            dropped = [one for one in self._transports if one not in wanted]
            for credentials in dropped:
                self._transports.pop(credentials).close()

    def close(self) -> None:
        """Close the idle connections of all; safe twice."""
        self.keep_only(set())
