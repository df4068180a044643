"""What a pull that takes long says in the trace: one line now and then, none for a quick one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

_MIB: Final = 1024 * 1024
#: Seconds until the first line: a quick pull looks as it does with gitlab-runner.
_FIRST: Final = 5.0
#: Seconds between lines at most; they grow with the time that has passed.
_SELDOM: Final = 30.0
_DONE: Final = ("Pull complete", "Already exists")
_DOWNLOADED: Final = ("Download complete", "Pull complete")
#: By these is told that an event is about a layer.
_OF_LAYERS: Final = frozenset(
    ("Pulling fs layer", "Waiting", "Downloading", "Verifying Checksum", "Extracting", *_DONE, *_DOWNLOADED)
)


@dataclass(slots=True)
class _Layer:
    done: bool = False
    current: int = 0
    total: int = 0


class PullProgress:
    """Fed with the engine's events by the thread that pulls, asked for lines by the job's own.

    :param clock: seconds, never set back.
    """

    def __init__(self, image: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._image = image
        self._clock = clock
        self._lock = threading.Lock()
        self._layers: dict[str, _Layer] = {}
        self._began = clock()
        self._next = self._began + _FIRST
        self._last = ""

    def event(self, event: dict[str, Any]) -> None:
        """Take one event of the engine."""
        status, name = event.get("status"), event.get("id")
        if not isinstance(status, str) or not isinstance(name, str) or status not in _OF_LAYERS:
            return
        with self._lock:
            layer = self._layers.setdefault(name, _Layer())
            layer.done = status in _DONE
            detail = event.get("progressDetail")
            if status == "Downloading" and isinstance(detail, dict):
                layer.current = _number(detail.get("current"), layer.current)
                layer.total = _number(detail.get("total"), layer.total)
            elif status in _DOWNLOADED:
                layer.current = layer.total

    def due(self, waiting: bool = False) -> str:
        """Return the line to write now; empty when it is not time, or nothing has changed.

        :param waiting: the pull has not begun, because another job makes the same.
        """
        now = self._clock()
        if now < self._next:
            return ""
        self._next = now + min(max(_FIRST, (now - self._began) / 8), _SELDOM)
        line = f"Pulling {self._image}: {self._waiting() if waiting else self._state()}"
        if line == self._last:
            return ""
        self._last = line
        return line

    def _waiting(self) -> str:
        return "another job pulls it already, waiting"

    def _state(self) -> str:
        with self._lock:
            layers = list(self._layers.values())
        if not layers:
            return "waiting for the registry"
        text = f"{sum(one.done for one in layers)} of {len(layers)} layers"
        total = sum(one.total for one in layers)
        if total:
            text += f", {sum(one.current for one in layers) // _MIB} of {-(-total // _MIB)} MiB"
        return text


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and value >= 0 else default
