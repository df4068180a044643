"""The files of a commit, as the compiler asks for them: of a served repository, without a checkout."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pyrunner.ci.files import Folder
from pyrunner.ci.repository import UnknownRef
from pyrunner.ci.source import MAX_BYTES
from pyrunner.errors import PipelineError
from pyrunner.system.git import Git, GitError

_LINK = "120000"
_MOST_LINKS = 8


@dataclass
class CommitFiles:
    """A :class:`pyrunner.ci.repository.Repository` of one commit.

    :param changes: what the event changed; None: unknown.
    """

    git: Git
    sha: str
    changes: Collection[str] | None = None
    _commits: dict[str, str | None] = field(default_factory=dict)

    @cached_property
    def entries(self) -> dict[str, tuple[str, str]]:
        """Mode and blob of every file, by path; submodules are no files."""
        found: dict[str, tuple[str, str]] = {}
        for line in self.git.names("ls-tree", "-r", "-z", "--full-tree", self.sha):
            facts, _, path = line.partition("\t")
            mode, kind, blob = facts.split(" ")
            if kind == "blob":
                found[path] = mode, blob
        return found

    def names(self) -> Collection[str]:
        """Return the paths of all files."""
        return self.entries.keys()

    def changed(self) -> Collection[str] | None:
        """Return the files the event changed; None when that is unknown."""
        return self.changes

    def changed_since(self, ref: str) -> Collection[str]:
        """Return the files changed since the merge base with ``ref``.

        :raises UnknownRef: when there is no such ref.
        """
        for name in (f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
            if name.startswith("-"):
                continue
            base = self.git.find("merge-base", name, self.sha)
            if base is not None:
                return self.git.names("diff", "--name-only", "-z", "--no-renames", base, self.sha)
        raise UnknownRef(ref)

    def blob_id(self, path: str) -> str | None:
        """Return git's id of a file's content; None when there is no such file."""
        entry = self.entries.get(path)
        return entry[1] if entry else None

    def last_commit(self, path: str) -> str | None:
        """Return the id of the last commit that changed a file; None when there is no such file."""
        if path not in self.entries:
            return None
        if path not in self._commits:
            found = self.git.find("log", "-1", "--format=%H", self.sha, "--", f":(literal){path}")
            self._commits[path] = found or None
        return self._commits[path]


class CommitFolder(Folder):
    """The files of a commit, or of a folder in it, for includes."""

    def __init__(self, files: CommitFiles, prefix: str = "") -> None:
        super().__init__(Path("/"))
        self._files = files
        self._prefix = prefix

    def __truediv__(self, below: str) -> Folder:
        """Return the folder of that name within this one."""
        return CommitFolder(self._files, posixpath.normpath(self._prefix + below.strip("/")) + "/")

    def path(self, name: str) -> str:
        """Return where ``name`` is looked for."""
        return self._prefix + name

    def read(self, name: str) -> str | None:
        """Return the text of a file; None when there is none.

        :raises PipelineError: when it is too big, or no text.
        """
        path = posixpath.normpath(self._prefix + name)
        for _ in range(_MOST_LINKS):
            entry = self._files.entries.get(path)
            if entry is None or not path.startswith(self._prefix):
                return None
            mode, blob = entry
            try:
                size = int(self._files.git.text("cat-file", "-s", blob))
                if size > MAX_BYTES:
                    raise PipelineError("The parsed YAML is too big", name)
                data = self._files.git.raw("cat-file", "blob", blob)
            except GitError as error:
                raise PipelineError(f"cannot be read: {error}", name) from None
            try:
                text = data.decode("utf-8")
            except UnicodeDecodeError:
                raise PipelineError("the file is not UTF-8", name) from None
            if mode != _LINK:
                return text
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
        return None

    def names(self) -> Iterator[str]:
        """Yield the paths of all files, in order."""
        for path in sorted(self._files.entries):
            if path.startswith(self._prefix):
                yield path.removeprefix(self._prefix)
