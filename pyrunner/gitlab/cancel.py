"""Giving up a call from another thread, also while it waits for its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol


class Stop(Protocol):
    """What a call asks whether to go on: a ``threading.Event``, or a :class:`Cancellation`."""

    def is_set(self) -> bool:
        """Tell whether to stop."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to ``timeout`` seconds; return whether to stop."""


class Cancellation:
    """An event that also ends calls blocked in a read, by shutting their connections down.

    With a plain ``threading.Event`` a call notices the stop only between its attempts; a long poll
    can be held by the server for a minute, and at shutdown it must end at once (runner-api.md 4.4).
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], None]] = {}

    def set(self) -> None:
        """Stop every call that was given this object; safe from any thread, and twice."""
        with self._lock:
            self._event.set()
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback()

    def is_set(self) -> bool:
        """Tell whether :meth:`set` was called."""
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to ``timeout`` seconds for :meth:`set`; return whether it was called."""
        return self._event.wait(timeout)

    def on_set(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called by :meth:`set`, at once when that is past; return how to undo it."""
        key = object()
        with self._lock:
            past = self._event.is_set()
            if not past:
                self._callbacks[key] = callback
        if past:
            callback()

        def undo() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return undo
