"""What goes into an archive: the sorted list of paths, small enough for millions of them.

Packing is done by several processes, which share the list as it was when they were forked. Were it a list of
strings, counting references alone would copy it into each of them.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

#: Bytes of files that are packed at a time; larger files are cut.
BLOCK: Final = 1 << 20
_MOST_IN_A_UNIT: Final = 256


class Unit(NamedTuple):
    """A piece of work: some whole entries, or one block of a large file."""

    first: int
    end: int
    #: Where in the file the block begins; -1: whole entries.
    offset: int = -1
    #: Bytes of the block.
    length: int = 0
    #: The block is the last of its file.
    last: bool = False


class Entries:
    """Paths in the order of their bytes, with sizes.

    :param files: path → size as it was found, or what it is instead of a file (:mod:`.inventory`).
    :param doors: folders to which links lead on purpose.
    """

    def __init__(self, files: Mapping[str, int], doors: Sequence[str] = ()) -> None:
        self.doors = tuple(doors)
        paths = sorted(map(os.fsencode, files))
        self._names = b"".join(paths)
        self._ends = array("Q")
        end = 0
        for path in paths:
            end += len(path)
            self._ends.append(end)
        self.sizes = array("q", (files[os.fsdecode(path)] for path in paths))

    def __len__(self) -> int:
        return len(self.sizes)

    def path(self, index: int) -> str:
        """Return one path."""
        return os.fsdecode(self._names[self._ends[index - 1] if index else 0 : self._ends[index]])

    def paths(self) -> Iterator[str]:
        """Yield all paths."""
        return map(self.path, range(len(self)))

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(size for size in self.sizes if size > 0)

    def units(self) -> Iterator[Unit]:
        """Cut the work into units, in order; the same for whoever asks."""
        first = gathered = 0
        for index, size in enumerate(self.sizes):
            if size > BLOCK:
                if first < index:
                    yield Unit(first, index)
                for offset in range(0, size, BLOCK):
                    length = min(BLOCK, size - offset)
                    yield Unit(index, index + 1, offset, length, offset + length == size)
                first, gathered = index + 1, 0
                continue
            gathered += max(size, 0)
            if gathered >= BLOCK or index + 1 - first >= _MOST_IN_A_UNIT:
                yield Unit(first, index + 1)
                first, gathered = index + 1, 0
        if first < len(self.sizes):
            yield Unit(first, len(self.sizes))
