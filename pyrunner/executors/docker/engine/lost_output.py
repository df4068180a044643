"""What a container printed while nobody was connected to it, from the log that its engine keeps (design R3).

An engine elsewhere has the job's output come over one connection, which ends with a restart of the engine or
a disturbance of the network while the container lives on. Its log has every line; how much of it had arrived
before is counted. The log is text: of output that is no UTF-8 the log has more bytes than were printed, so
some may come twice there.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.engine.container_log import log_frames, open_log

#: Seconds that an engine has to come back.
_RECONNECT: Final = 120.0
_PAUSE: Final = 0.5
_SYSTEM_TIME: Final = re.compile(r"(\d+-\d+-\d+T\d+:\d+:\d+)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class LostOutput:
    """One run of one container; for one thread."""

    endpoint: Endpoint
    container: str
    #: The engine's clock before the run, as it takes it back: lines before belong to other runs.
    since: str

    @classmethod
    def about_to_start(cls, engine: Engine, container: str) -> LostOutput:
        """Return what finds the output of the run that begins next.

        :raises EngineError: when the engine does not answer.
        """
        info = engine.call(lambda api: api.info())
        return cls(engine.endpoint, container, _seconds(str(info.get("SystemTime", ""))))

    def recover(self, arrived: Mapping[int, int], feed: Callable[[int, bytes], None]) -> bool:
        """Hand on what comes after the bytes that have arrived of each stream, until the container has ended.

        Without a look at the log where the connection ended because the container has.

        :returns: whether all is there: of a container that ends while its engine is away the engine does not
            read the last lines.
        """
        counted = dict(arrived)
        disturbed, was_running, last_answer = False, False, time.monotonic()
        while time.monotonic() - last_answer < _RECONNECT:
            with contextlib.closing(Engine(self.endpoint)) as engine:
                try:
                    running = bool(
                        engine.call(lambda api: api.inspect_container(self.container))["State"]["Running"]
                    )
                    if not running and not disturbed:
                        return True
                    followed = disturbed and not running and was_running
                    disturbed, was_running, last_answer = True, running, time.monotonic()
                    self._read(engine, running, counted, feed)
                    if not running:
                        return followed
                except EngineError as error:
                    if error.not_found:
                        return False
                    disturbed, was_running = True, False
            time.sleep(_PAUSE)
        return False

    def _read(
        self, engine: Engine, follow: bool, counted: dict[int, int], feed: Callable[[int, bytes], None]
    ) -> None:
        skip = dict(counted)
        response = open_log(engine, self.container, follow=follow, since=self.since, times=False)
        with contextlib.closing(response):
            for number, piece in log_frames(response):
                known = min(skip.get(number, 0), len(piece))
                skip[number] = skip.get(number, 0) - known
                if known < len(piece):
                    feed(number, piece[known:])
                    counted[number] = counted.get(number, 0) + len(piece) - known


def _seconds(moment: str) -> str:
    """Return a time of the engine as seconds and nanoseconds; empty when it is none: from the beginning."""
    found = _SYSTEM_TIME.match(moment)
    if found is None:
        return ""
    whole = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00"))
    return f"{int(whole.timestamp())}.{(found[2] or '0').ljust(9, '0')}"
