"""A repository for the compiler whose answers are given beforehand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pyrunner.ci.repository import UnknownRef


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """A repository whose answers are given beforehand."""

    files: Collection[str] = ()
    changes: Collection[str] | None = None
    since: Mapping[str, Collection[str]] = field(default_factory=dict)
    blobs: Mapping[str, str] = field(default_factory=dict)
    commits: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> Collection[str]:
        """See :meth:`pyrunner.ci.repository.Repository.names`."""
        return self.files

    def changed(self) -> Collection[str] | None:
        """See :meth:`pyrunner.ci.repository.Repository.changed`."""
        return self.changes

    def changed_since(self, ref: str) -> Collection[str]:
        """See :meth:`pyrunner.ci.repository.Repository.changed_since`."""
        try:
            return self.since[ref]
        except KeyError:
            raise UnknownRef(ref) from None

    def blob_id(self, path: str) -> str | None:
        """See :meth:`pyrunner.ci.repository.Repository.blob_id`."""
        return self.blobs.get(path)

    def last_commit(self, path: str) -> str | None:
        """See :meth:`pyrunner.ci.repository.Repository.last_commit`."""
        return self.commits.get(path)
