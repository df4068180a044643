"""inotify(7): a folder says that something in it has changed, instead of being asked again and again.

Events only wake a loop up; what has changed is read from the files themselves. So an overflow of
the queue, or an event that two changes share, loses nothing.
"""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

# <sys/inotify.h>
CLOSE_WRITE: Final = 0x00000008
MOVED_TO: Final = 0x00000080
CREATE: Final = 0x00000100
DELETE: Final = 0x00000200
_Q_OVERFLOW: Final = 0x00004000
_IGNORED: Final = 0x00008000
_ONLYDIR: Final = 0x01000000
_DONT_FOLLOW: Final = 0x02000000

#: A file has come into being, has been replaced, or its writer has closed it.
CHANGES: Final = CLOSE_WRITE | MOVED_TO | CREATE

_EVENT: Final = struct.Struct("iIII")
_READ_SIZE: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class FileEvent:
    """Something happened to ``name`` in ``folder``; ``folder`` is None when events were lost."""

    folder: Path | None
    name: str
    mask: int


class Inotify:
    """Watches folders; :attr:`fd` is readable when there are events.

    :raises OSError: at construction and by :meth:`add`, e.g. EMFILE at the limits of
        ``fs.inotify.max_user_instances`` and ``max_user_watches``.
    """

    def __init__(self) -> None:
        self._libc = _libc()
        self.fd: int = _checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify_init1")
        self._folders: dict[int, Path] = {}
        self._watches: dict[Path, int] = {}

    def fileno(self) -> int:
        """Return the descriptor, so that selectors take the object itself."""
        return self.fd

    def add(self, folder: Path, mask: int = CHANGES) -> None:
        """Watch a folder, not those below it. Safe twice.

        :raises OSError: when there is no such folder, or too many are watched.
        """
        watch = self._libc.inotify_add_watch(self.fd, os.fsencode(folder), mask | _ONLYDIR | _DONT_FOLLOW)
        _checked(watch, str(folder))
        self._folders[watch] = folder
        self._watches[folder] = watch

    def remove(self, folder: Path) -> None:
        """Watch a folder no more; harmless when it is not watched or gone."""
        watch = self._watches.pop(folder, None)
        if watch is None:
            return
        self._folders.pop(watch, None)
        self._libc.inotify_rm_watch(self.fd, watch)

    def read(self) -> list[FileEvent]:
        """Return the events there are, without waiting."""
        events: list[FileEvent] = []
        while True:
            try:
                data = os.read(self.fd, _READ_SIZE)
            except BlockingIOError:
                return events
            events.extend(self._decode(data))

    def _decode(self, data: bytes) -> list[FileEvent]:
        events: list[FileEvent] = []
        position = 0
        while position < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, position)
            position += _EVENT.size
            name = os.fsdecode(data[position : position + length].rstrip(b"\0"))
            position += length
            if mask & _Q_OVERFLOW:
                events.append(FileEvent(None, "", mask))
            elif mask & _IGNORED:
                gone = self._folders.pop(watch, None)
                if gone is not None:
                    self._watches.pop(gone, None)
            elif watch in self._folders:
                events.append(FileEvent(self._folders[watch], name, mask))
        return events

    def close(self) -> None:
        """Watch nothing any more. Safe twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self._folders.clear()
        self._watches.clear()


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.inotify_init1.argtypes = (ctypes.c_int,)
    libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
    libc.inotify_rm_watch.argtypes = (ctypes.c_int, ctypes.c_int)
    return libc


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result
