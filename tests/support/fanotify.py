"""Watches files of a canary tree for being opened, read or changed, by whomever and by whatever mount."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

_CLASS_NOTIFY, _CLOEXEC, _NONBLOCK = 0x0, 0x1, 0x2
_ADD: Final = 0x1
#: Accessed, modified, closed after writing, opened; of a folder's children, too.
_EVENTS: Final = 0x1 | 0x2 | 0x8 | 0x20 | 0x08000000
_ON_FOLDERS: Final = 0x40000000
_EVENT: Final = struct.Struct("=IBBHQii")


class CanaryWatch:
    """Takes note of every use of a tree from its making on."""

    def __init__(self, tree: Path) -> None:
        """Watch each file and folder of ``tree``: marks are on the inodes, whatever path leads there.

        :raises OSError: where fanotify is not to be had.
        """
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.fanotify_init(_CLASS_NOTIFY | _CLOEXEC | _NONBLOCK, os.O_RDONLY | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "fanotify_init")
        for one in (tree, *tree.rglob("*")):
            mask = ctypes.c_uint64(_EVENTS | _ON_FOLDERS)
            if libc.fanotify_mark(self._fd, _ADD, mask, -100, os.fsencode(one)) != 0:
                raise OSError(ctypes.get_errno(), f"fanotify_mark {one}")

    def uses(self) -> list[str]:
        """Return what was used since the last call: path and event mask."""
        found: list[str] = []
        while True:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return found
            while len(data) >= _EVENT.size:
                length, _, _, _, mask, fd, _ = _EVENT.unpack_from(data)
                found.append(f"{os.readlink(f'/proc/self/fd/{fd}')} {mask:#x}")
                os.close(fd)
                data = data[length:]

    def close(self) -> None:
        """Stop watching."""
        os.close(self._fd)
