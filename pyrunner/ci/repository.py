"""What rules and cache keys ask about the commit: its files, what changed, blob ids.

The compiler reads neither git nor the disk itself; whoever calls it says where the answers come from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """A repository whose answers are given beforehand."""

    files: Collection[str] = ()
    changes: Collection[str] | None = None
    since: Mapping[str, Collection[str]] = field(default_factory=dict)
    blobs: Mapping[str, str] = field(default_factory=dict)
    commits: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> Collection[str]:
        """See :meth:`Repository.names`."""
        return self.files

    def changed(self) -> Collection[str] | None:
        """See :meth:`Repository.changed`."""
        return self.changes

    def changed_since(self, ref: str) -> Collection[str]:
        """See :meth:`Repository.changed_since`."""
        try:
            return self.since[ref]
        except KeyError:
            raise UnknownRef(ref) from None

    def blob_id(self, path: str) -> str | None:
        """See :meth:`Repository.blob_id`."""
        return self.blobs.get(path)

    def last_commit(self, path: str) -> str | None:
        """See :meth:`Repository.last_commit`."""
        return self.commits.get(path)
