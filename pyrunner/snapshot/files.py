"""The files of a working copy as git sees them: tracked ones, and untracked ones that are not ignored."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from pyrunner.ci.files import Folder
from pyrunner.ci.repository import UnknownRef
from pyrunner.snapshot.git_dir import PLAIN
from pyrunner.snapshot.working_copy import WorkingCopy


@dataclass
class WorkingFiles:
    """A :class:`pyrunner.ci.repository.Repository` of what is in the working copy now.

    :param changes: what the event changed; None: unknown.
    """

    copy: WorkingCopy
    changes: Collection[str] | None = None

    @cached_property
    def _names(self) -> frozenset[str]:
        git = self.copy.git
        listed = git.names("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        gone = git.names("ls-files", "-z", "--deleted")
        return frozenset(one for one in listed if not one.endswith("/")) - frozenset(gone)

    def names(self) -> Collection[str]:
        """Return the paths of all files."""
        return self._names

    def changed(self) -> Collection[str] | None:
        """Return the files the event changed; None when that is unknown."""
        return self.changes

    def changed_since(self, ref: str) -> Collection[str]:
        """Return the files changed since the merge base with ``ref``, uncommitted ones included.

        :raises UnknownRef: when there is no such ref.
        """
        copy = self.copy
        other = copy.resolve(f"refs/heads/{ref}", f"refs/remotes/origin/{ref}", f"refs/tags/{ref}", ref)
        base = copy.git.find("merge-base", other, "HEAD") if other else None
        if not base:
            raise UnknownRef(ref)
        return changed_files(copy, base)

    def blob_id(self, path: str) -> str | None:
        """Return git's id of a file's content; None when there is no such file."""
        if path not in self._names:
            return None
        return self.copy.apart.find("hash-object", "--", path)

    def last_commit(self, path: str) -> str | None:
        """Return the id of the last commit that changed a file; None when there is no such file."""
        if path not in self._names:
            return None
        return self.copy.git.find("log", "-1", "--format=%H", "--", f":(literal){path}") or None


class WorkingFolder(Folder):
    """The files of a working copy for includes: what git ignores is not there."""

    def __init__(self, files: WorkingFiles) -> None:
        super().__init__(files.copy.top)
        self._files = files

    def read(self, name: str) -> str | None:
        """Return the text of a file; None when there is none that git sees.

        :raises PipelineError: when it is too big, or no text.
        """
        return super().read(name) if name in self._files.names() else None

    def names(self) -> list[str]:  # type: ignore[override]
        """Return the paths of all files, in order."""
        return sorted(self._files.names())


def changed_files(copy: WorkingCopy, base: str) -> list[str]:
    """Return what differs between a commit and the working copy."""
    options = ("--name-only", "-z", "--no-renames", "--no-ext-diff", "--ignore-submodules=dirty")
    changed = copy.apart.names(*PLAIN, "diff", *options, base, "--")
    return sorted({*changed, *copy.git.names("ls-files", "-z", "--others", "--exclude-standard")})
