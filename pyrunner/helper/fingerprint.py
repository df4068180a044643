"""Tells whether a cache archive still holds what would go into it (design.md 5).

Beside each archive of ours stands a file that says what the archive was made from: the entries (path, kind,
mode, size, time, link target) and the options. gitlab-runner goes by times alone, so it makes an archive
again after a file was only touched by its folder, and misses what was deleted; an archive that somebody
else has put there has no such file that fits, and its rule holds.

Times of folders do not count: whatever makes a temporary file in them changes those. A zip archive keeps
whole seconds only, so a tree that was just restored from one is compared by these.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from pyrunner.helper.inventory import Digest, Inventory, packed_with_whole_seconds

FINGERPRINT_FILE: Final = "fingerprint.txt"

_VERSION: Final = 4
_LARGEST: Final = 4096


class Record(NamedTuple):
    """What an archive was made from: two digests, with times as they were and cut to the second."""

    exact: str
    rounded: str


class Fingerprint:
    """What an archive would be made from.

    :param options: whatever else makes another archive: format, level, the patterns.
    """

    def __init__(self, inventory: Inventory, options: Mapping[str, object]) -> None:
        self._inventory = inventory
        self._tail = repr((_VERSION, sorted(options.items()))).encode(errors="surrogateescape")
        self._exact = inventory.digest().with_tail(self._tail)

    @property
    def newest(self) -> int:
        """Latest change of a file, nanoseconds."""
        return self._inventory.newest_file

    def matches(self, recorded: Record) -> bool:
        """Tell whether this tree is the one that ``recorded`` was made from."""
        return self._exact == recorded.exact or (self._inventory.whole and self._exact == recorded.rounded)

    def record(self) -> Record:
        """Return what to remember."""
        if self._inventory.whole:
            return Record(self._exact, self._exact)
        rounded = Digest()
        rounded.update(map(packed_with_whole_seconds, self._inventory.batches))
        return Record(self._exact, rounded.with_tail(self._tail))


def load(archive: str) -> Record | None:
    """Return the recorded fingerprint of ``archive``; None when there is none that belongs to it."""
    try:
        with open(beside(archive), "rb") as file:
            version, identity, exact, rounded = file.read(_LARGEST).decode("ascii").split("\n")[:4]
        if version != str(_VERSION) or identity != _identity(os.stat(archive)):
            return None
        return Record(exact, rounded)
    except (OSError, ValueError):
        return None  # written by another version, torn, or for another archive: as if it were not there


def store(archive: str, made: os.stat_result, record: Record) -> None:
    """Record what ``archive``, just published, was made from.

    :param made: of that archive: the record does not fit another that has taken its place meanwhile.
    :raises OSError: as the system reports it.
    """
    import tempfile  # only where something has changed

    fd, temporary = tempfile.mkstemp(prefix="fingerprint_", dir=os.path.dirname(archive) or ".")
    with os.fdopen(fd, "w") as file:
        file.write("\n".join((str(_VERSION), _identity(made), *record, "")))
    os.replace(temporary, beside(archive))


def beside(archive: str) -> str:
    """Return where the record of ``archive`` is."""
    return os.path.join(os.path.dirname(archive), FINGERPRINT_FILE)


def _identity(status: os.stat_result) -> str:
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
