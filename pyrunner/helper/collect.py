"""Finds the files of a cache or an artifact; messages and counts are gitlab-runner's (8.1)."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyrunner.errors import UsageError
from pyrunner.helper import globs
from pyrunner.helper.folders import FolderChain
from pyrunner.helper.inventory import Inventory, row
from pyrunner.helper.walk import Walk

if TYPE_CHECKING:
    from pyrunner.helper.entries import Entries

_log = logging.getLogger(__name__)


class Collection:
    """Entries below the working directory.

    :param exclude: patterns of entries to leave out.
    """

    def __init__(self, exclude: Sequence[str] = ()) -> None:
        self.folder = os.getcwd()
        self.inventory = Inventory()
        #: Folders that patterns reach through links, on purpose.
        self._doors: set[str] = set()
        self._exclude = exclude
        self._excluded: Counter[str] = Counter()
        self._patterns: list[tuple[str, str]] | None = None
        self._pattern_error = ""

    @property
    def empty(self) -> bool:
        """Whether nothing was found."""
        return not self.inventory.batches

    def collect(self, paths: Sequence[str], untracked: bool = False) -> None:
        """Find everything and say what was found."""
        for path in paths:
            self._add_path(path)
        if untracked:
            self._add_untracked()
        for rule, count in self._excluded.items():
            _log.info("%s: excluded %d files", rule, count)

    def add(self, path: str) -> None:
        """Take in one path more, unless it is to be left out."""
        with self._chain() as chain:
            self._add(chain, path)

    def entries(self) -> Entries:
        """Return all, each once, in the order that archives hold them."""
        from pyrunner.helper.entries import Entries  # most caches have not changed

        return Entries(self.inventory.sizes(), sorted(self._doors))

    def _add_path(self, path: str) -> None:
        if not path:
            _log.warning("No matching files. Path is empty.")
            return
        try:
            pattern = self._relative(path)
            found = globs.find(pattern)
        except _Outside as error:
            _log.warning("processPath: %s", error)
            return
        except UsageError as error:
            _log.warning("%s: %s", path, error)
            return
        self._note_door(pattern)
        with self._chain() as chain:
            count = sum(self._add_tree(chain, match) for match in found)
        if count:
            _log.info("%s: found %d matching artifact files and directories", path, count)
        else:
            _log.warning(
                "%s: no matching files. "
                "Ensure that the artifact path is relative to the working directory (%s)",
                path,
                self.folder,
            )

    def _add_untracked(self) -> None:
        import subprocess  # of all that is collected, only this takes another program

        try:
            done = subprocess.run(["git", "ls-files", "-o", "-z"], stdout=subprocess.PIPE, check=False)
        except OSError:
            _log.warning('untracked: exec: "git": executable file not found in $PATH')
            return
        if done.returncode:
            _log.warning("untracked: exit status %d", done.returncode)
            return
        with self._chain() as chain:
            count = sum(self._add(chain, os.fsdecode(one)) for one in done.stdout.split(b"\0") if one)
        if count:
            _log.info("untracked: found %d files", count)
        else:
            _log.warning("untracked: no files")

    def _chain(self) -> FolderChain:
        return FolderChain(doors=sorted(self._doors))

    def _note_door(self, pattern: str) -> None:
        """Remember the literal folder of a pattern when it leads through a link (8.1 step 2)."""
        literal = globs.split_pattern(pattern)[0] if globs.has_wildcard(pattern) else os.path.dirname(pattern)
        if literal not in ("", ".") and os.path.realpath(literal) != os.path.join(self.folder, literal):
            self._doors.add(literal)

    def _add_tree(self, chain: FolderChain, top: str) -> int:
        """Take in ``top`` and all below it; returns how many."""
        relative = os.path.normpath(top)
        count = self._add(chain, relative)
        rule_against = self._rule_against if self._exclude else None
        walk = Walk(self.inventory, sorted(self._doors), rule_against)
        walk.run("" if relative == "." else relative)
        self._excluded.update(walk.excluded)
        return count + walk.count

    def _add(self, chain: FolderChain, path: str) -> int:
        """Take in one entry; returns how many that makes."""
        relative = os.path.normpath(path)
        if relative.startswith("../"):
            _log.warning("%s: not supported: outside build directory", path)
            return 0
        if (rule := self._rule_against(relative)) is not None:
            self._excluded[rule] += 1
            return 0
        folder, _, name = relative.rpartition("/")
        try:
            fd = chain.open(folder)
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return 0  # gone since it was found
        except OSError as error:
            _log.warning("%s: lstat %s: %s", path, relative, (error.strerror or "").lower())
            return 0
        self.inventory.add(folder, [row(name, status, fd)], status.st_mtime_ns)
        return 1

    def _rule_against(self, relative: str) -> str | None:
        """Return the rule that leaves an entry out."""
        if self._patterns is None:
            self._patterns = self._read_exclude()
        for pattern, rule in self._patterns:
            try:
                if globs.matches(pattern, relative):
                    return rule
            except UsageError:
                continue  # a pattern that is none excludes nothing
        if self._pattern_error:
            _log.warning("isExcluded: %s", self._pattern_error)
        return None

    def _read_exclude(self) -> list[tuple[str, str]]:
        patterns = []
        for rule in self._exclude:
            try:
                patterns.append((self._relative(rule), rule))
            except _Outside as error:
                # Rules behind it never apply, and each entry is told so (8.1 step 4).
                self._pattern_error = str(error)
                break
        return patterns

    def _relative(self, path: str) -> str:
        """Return ``path`` relative to the working directory, its pattern untouched."""
        if os.path.normpath(path) == self.folder:
            return "."
        base, pattern = globs.split_pattern(path) if globs.has_wildcard(path) else (path, "")
        relative = os.path.relpath(os.path.join(self.folder, base), self.folder)
        if relative == ".." or relative.startswith("../"):
            raise _Outside(f"artifact path is not a subpath of project directory: {path}")
        return os.path.normpath(f"{relative}/{pattern}") if pattern else relative


class _Outside(UsageError):
    """A path that leaves the project."""
