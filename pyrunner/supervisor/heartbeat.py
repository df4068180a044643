"""The heartbeat: tells a supervisor that works from one that hangs (design R3)."""

from __future__ import annotations

import errno
import json
import logging
import os
import time
from collections.abc import Callable
from typing import Final, TypeVar

from pyrunner.errors import DiskFull
from pyrunner.jobdir.control import ControlDir
from pyrunner.system.files import write_atomic
from pyrunner.system.process import ProcessIdentity

logger = logging.getLogger(__name__)

#: Seconds between heartbeats; 60 s without one and the manager takes the supervisor for hung.
HEARTBEAT: Final = 5.0
#: Seconds between two tries of what a full disk has refused.
ROOM_PAUSE: Final = 1.0
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

T = TypeVar("T")


class Heartbeat:
    """The file ``heartbeat``: its content names this process, its time stamp is the last beat.

    :param pause: waits so many seconds.
    """

    def __init__(self, control: ControlDir, pause: Callable[[float], None] = time.sleep) -> None:
        self._path = control.heartbeat
        self._identity = json.dumps(ProcessIdentity.current().to_dict()).encode()
        self._pause = pause
        self._named = False
        #: Monotonic time at which the next beat is due.
        self.due = 0.0

    def beat(self) -> None:
        """Beat if it is time. A full disk is no reason not to: only the first beat needs room.

        :raises OSError: when the file cannot be written for another reason.
        """
        now = time.monotonic()
        if now < self.due:
            return
        self.due = now + HEARTBEAT
        if not self._named:
            try:
                write_atomic(self._path, self._identity, durable=False)
                self._named = True
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
        if self._path.exists():
            os.utime(self._path)

    def until_room(self, action: Callable[[], T]) -> T:
        """Do what must not be left undone: as long as the disk is full it is tried again.

        :param action: may be called again after a failure.
        """
        reported = False
        while True:
            try:
                return action()
            except (DiskFull, OSError) as error:
                if isinstance(error, OSError) and error.errno not in _NO_ROOM:
                    raise
                if not reported:
                    reported = True
                    logger.error("no room for the job's files; free disk space: %s", error)
            self.beat()
            self._pause(ROOM_PAUSE)
