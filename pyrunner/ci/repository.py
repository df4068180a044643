"""What rules and cache keys ask about the commit: its files, what changed, blob ids.

The compiler reads neither git nor the disk itself; whoever calls it says where the answers come from.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol


class UnknownRef(LookupError):
    """``compare_to`` names no ref of the repository."""


class Repository(Protocol):
    """The tree of the commit that a pipeline is made for; all paths are relative and use ``/``."""

    def names(self) -> Collection[str]:
        """Return the paths of all files."""

    def changed(self) -> Collection[str] | None:
        """Return the files the event changed; None when that is unknown (3.3)."""

    def changed_since(self, ref: str) -> Collection[str]:
        """Return the files changed since the merge base with ``ref``.

        :raises UnknownRef: when there is no such ref.
        """

    def blob_id(self, path: str) -> str | None:
        """Return git's id of a file's content; None when there is no such file."""

    def last_commit(self, path: str) -> str | None:
        """Return the id of the last commit that changed a file; None when there is no such file."""
