"""What an archive may become, at most: settings of whoever unpacks it, against bombs (design.md R8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from pyrunner.errors import ArchiveError, UsageError

#: Variable → field of :class:`Limits`.
VARIABLES: Final = {
    "PYRUNNER_EXTRACT_MAX_ENTRIES": "entries",
    "PYRUNNER_EXTRACT_MAX_BYTES": "size",
    "PYRUNNER_EXTRACT_MAX_RATIO": "ratio",
}


class Limits(NamedTuple):
    """Limits of one archive; 0: none.

    :param entries: how many.
    :param size: bytes of all files; 0: what the file system has free.
    :param ratio: bytes of all files for each byte of the archive, looked at from ``ratio_from`` bytes on.
    """

    entries: int = 2_000_000
    size: int = 0
    ratio: int = 500
    ratio_from: int = 1 << 30


def read_limits(environment: Mapping[str, str]) -> Limits:
    """Return the limits that the environment asks for.

    :raises UsageError: for a value that is no number.
    """
    given: dict[str, int] = {}
    for variable, field in VARIABLES.items():
        if text := environment.get(variable, "").strip():
            if not (text.isascii() and text.isdigit()):
                raise UsageError(f"{variable}: {text!r} is no whole number: use 0 for no limit")
            given[field] = int(text)
    return Limits(**given)


class Ledger:
    """Adds up what an archive announces, before anything of it is written.

    :param archive_size: bytes of the archive.
    :param room: bytes that the file system has free.
    """

    def __init__(self, limits: Limits, archive_size: int, room: int) -> None:
        self._limits = limits
        self._archive_size = max(1, archive_size)
        self._most = limits.size or room
        self._entries = 0
        self._bytes = 0

    def expect(self, entries: int) -> None:
        """Take the announced number of entries.

        :raises ArchiveError: when it is more than may be.
        """
        if self._limits.entries and entries > self._limits.entries:
            raise ArchiveError(
                f"the archive has {entries} entries, more than {self._limits.entries}: "
                "if it is to be trusted, raise PYRUNNER_EXTRACT_MAX_ENTRIES"
            )

    def admit(self, name: str, size: int = 0) -> None:
        """Take one entry of ``size`` bytes.

        :raises ArchiveError: when it is one too many, or too large.
        """
        self._entries += 1
        self._bytes += size
        if self._limits.entries and self._entries > self._limits.entries:
            raise ArchiveError(
                f"{name!r}: more than {self._limits.entries} entries in one archive: "
                "if it is to be trusted, raise PYRUNNER_EXTRACT_MAX_ENTRIES"
            )
        if self._bytes > self._most:
            raise ArchiveError(
                f"{name!r}: the archive holds more than the {self._most} bytes there is room for: "
                + (
                    "if it is to be trusted, raise PYRUNNER_EXTRACT_MAX_BYTES"
                    if self._limits.size
                    else "free space on the file system"
                )
            )
        if (
            self._limits.ratio
            and self._bytes > self._limits.ratio_from
            and self._bytes > self._limits.ratio * self._archive_size
        ):
            raise ArchiveError(
                f"{name!r}: the archive unpacks to more than {self._limits.ratio} times its size: "
                "if it is to be trusted, raise PYRUNNER_EXTRACT_MAX_RATIO"
            )
