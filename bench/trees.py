"""Trees to archive: what build tools leave, the same at every run."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Final

#: Files and bytes of the tree, and of the single large file.
FILES: Final = 60_000
TREE_SIZE: Final = 1_181_116_006  # 1.1 GiB
LARGE_SIZE: Final = 1 << 30

_FILES_A_FOLDER: Final = 25
_POOL: Final = 96 << 20
_VOCABULARY: Final = 4000
#: One file of so many is packed already, as pictures and libraries are.
_PACKED: Final = 6


class Contents:
    """Text of random words, and random bytes.

    The text is cut from a pool larger than any window of a compressor, so that files resemble one another no
    more than sources do.
    """

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311 - the same tree at every run
        letters = "etaoinshrdlucmfwypvbgkjqxz"
        words = [
            "".join(self._random.choices(letters, range(26, 0, -1), k=self._random.randint(2, 11)))
            for _ in range(_VOCABULARY)
        ]
        weights = [1 / (rank + 3) for rank in range(_VOCABULARY)]
        marks = [" ", " ", " ", ", ", "(", ") ", " = ", ";\n", ".", "\n    "]
        parts = []
        size = 0
        while size < _POOL:
            line = "".join(
                word + mark
                for word, mark in zip(
                    self._random.choices(words, weights, k=20_000),
                    self._random.choices(marks, k=20_000),
                    strict=True,
                )
            )
            parts.append(line)
            size += len(line)
        self._pool = "".join(parts).encode()

    def take(self, size: int, packed: bool = False) -> bytes:
        """Return ``size`` bytes of text, or of what no compressor makes smaller."""
        if packed:
            return self._random.randbytes(size)
        at = self._random.randrange(len(self._pool) - size)
        return self._pool[at : at + size]

    def size(self, mean: float) -> int:
        """Return the size of a file: many are small, few are large."""
        return min(int(self._random.lognormvariate(0, 1.5) * mean / 3.08), 32 << 20)


def grow_tree(folder: Path, contents: Contents, files: int = FILES, size: int = TREE_SIZE) -> None:
    """Fill ``folder`` with ``files`` files of ``size`` bytes in all."""
    left = size
    for number in range(files):
        if number % _FILES_A_FOLDER == 0:
            part = number // _FILES_A_FOLDER
            place = folder / f"group-{part % 40}" / f"module-{part}" / "src"
            place.mkdir(parents=True)
        wanted = min(contents.size(size / files), left) if number < files - 1 else min(left, 64 << 20)
        left -= wanted
        (place / f"file-{number}.txt").write_bytes(contents.take(wanted, number % _PACKED == 0))


def write_large(path: Path, contents: Contents, size: int = LARGE_SIZE) -> None:
    """Write one file of ``size`` bytes."""
    with path.open("wb") as file:
        done = 0
        while done < size:
            piece = contents.take(min(1 << 20, size - done), (done >> 20) % _PACKED == 0)
            done += file.write(piece)


def change_some(folder: Path, contents: Contents, every: int = 100) -> int:
    """Write one of ``every`` files anew; return how many."""
    changed = 0
    for number, (place, _, names) in enumerate(sorted(os.walk(folder))):
        for index, name in enumerate(sorted(names)):
            if (number * _FILES_A_FOLDER + index) % every == 0:
                path = Path(place, name)
                path.write_bytes(contents.take(path.stat().st_size))
                changed += 1
    return changed
