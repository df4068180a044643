"""Folders opened one below the other, through no link (design.md R8).

A path such as ``a/b/c`` is looked up again by each call that is given it: whoever may rename ``b`` in between
leads the call elsewhere. A descriptor stays where it is, so each folder is opened from the one above it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, Self

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_THROUGH_LINKS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: Trees may be deeper than a process may have files open: folders further up are opened again when needed.
_MOST_OPEN: Final = 100
_CLOSED: Final = -1


class FolderChain:
    """The way to one folder at a time; what it has in common with the last one stays open.

    :param root: descriptor of the folder that paths begin in; None: the working directory.
    :param doors: folders to which links lead on purpose; from there on none is followed.
    :param create: make what is missing.
    """

    def __init__(self, root: int | None = None, doors: Sequence[str] = (), create: bool = False) -> None:
        self._root = root
        # The longest first: a door may lie behind another.
        self._doors = sorted(doors, key=len, reverse=True)
        self._create = create
        self._names: list[str] = []
        self._fds: list[int] = []
        self._current: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, folder: str) -> int | None:
        """Return the descriptor of ``folder``, valid until the next call; None: the working directory.

        :param folder: relative, normal; empty: the root.
        :raises OSError: as the system reports it; ``ENOTDIR`` for a link.
        """
        if folder != self._current:
            self._current = None
            self._descend(self._split(folder))
            self._current = folder
        return self._fds[-1] if self._fds else self._root

    def close(self) -> None:
        """Close all; the chain may be used again."""
        self._cut(0)
        self._current = None

    def _split(self, folder: str) -> list[str]:
        for door in self._doors:
            if folder == door:
                return [door]
            if folder.startswith(f"{door}/"):
                return [door, *folder[len(door) + 1 :].split("/")]
        return folder.split("/") if folder not in ("", ".") else []

    def _descend(self, names: list[str]) -> None:
        common = 0
        for have, wanted in zip(self._names, names, strict=False):
            if have != wanted:
                break
            common += 1
        self._cut(common)
        if self._fds and self._fds[-1] == _CLOSED:
            self._cut(0)
        for name in names[len(self._names) :]:
            fd = self._step(name, self._fds[-1] if self._fds else self._root)
            self._names.append(name)
            self._fds.append(fd)
            if len(self._fds) > _MOST_OPEN:
                os.close(self._fds[-_MOST_OPEN - 1])
                self._fds[-_MOST_OPEN - 1] = _CLOSED

    def _step(self, name: str, above: int | None) -> int:
        # The first of a chain may be a door.
        flags = _THROUGH_LINKS if not self._names and name in self._doors else FOLDER
        try:
            return os.open(name, flags, dir_fd=above)
        except FileNotFoundError:
            if not self._create:
                raise
        os.mkdir(name, 0o777, dir_fd=above)
        return os.open(name, flags, dir_fd=above)

    def _cut(self, length: int) -> None:
        while len(self._fds) > length:
            fd = self._fds.pop()
            self._names.pop()
            if fd != _CLOSED:
                os.close(fd)
