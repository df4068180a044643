"""Finds the files of a cache or an artifact; messages and counts are gitlab-runner's (8.1)."""

from __future__ import annotations

import logging
import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence

from pyrunner.errors import UsageError
from pyrunner.helper import globs

_log = logging.getLogger(__name__)


class Collection:
    """Entries below the working directory: relative path → what ``lstat`` said.

    :param exclude: patterns of entries to leave out.
    """

    def __init__(self, exclude: Sequence[str] = ()) -> None:
        self.folder = os.getcwd()
        self.files: dict[str, os.stat_result] = {}
        self._exclude = exclude
        self._excluded: Counter[str] = Counter()
        self._patterns: list[tuple[str, str]] | None = None
        self._pattern_error = ""

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
        self._add(path)

    def ordered(self) -> list[str]:
        """Return the paths as archives hold them: sorted by their bytes."""
        return sorted(self.files, key=os.fsencode)

    def newest(self) -> int:
        """Return the latest modification of any entry, nanoseconds; 0 when there is none."""
        return max((one.st_mtime_ns for one in self.files.values()), default=0)

    def _add_path(self, path: str) -> None:
        if not path:
            _log.warning("No matching files. Path is empty.")
            return
        try:
            found = globs.find(self._relative(path))
        except _Outside as error:
            _log.warning("processPath: %s", error)
            return
        except UsageError as error:
            _log.warning("%s: %s", path, error)
            return
        count = sum(self._add(below) for match in found for below in _walk(match))
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
        try:
            done = subprocess.run(["git", "ls-files", "-o", "-z"], stdout=subprocess.PIPE, check=False)
        except OSError:
            _log.warning('untracked: exec: "git": executable file not found in $PATH')
            return
        if done.returncode:
            _log.warning("untracked: exit status %d", done.returncode)
            return
        count = sum(self._add(os.fsdecode(one)) for one in done.stdout.split(b"\0") if one)
        if count:
            _log.info("untracked: found %d files", count)
        else:
            _log.warning("untracked: no files")

    def _add(self, path: str) -> bool:
        relative = os.path.normpath(path)
        if relative.startswith("../"):
            _log.warning("%s: not supported: outside build directory", path)
            return False
        if (rule := self._rule_against(relative)) is not None:
            self._excluded[rule] += 1
            return False
        if relative in self.files:
            return True
        try:
            self.files[relative] = os.lstat(relative)
        except FileNotFoundError:
            return False  # gone since it was found
        except OSError as error:
            _log.warning("%s: lstat %s: %s", path, relative, (error.strerror or "").lower())
            return False
        return True

    def _rule_against(self, relative: str) -> str | None:
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


def _walk(top: str) -> Iterator[str]:
    """Yield ``top`` and all below it; links are entries, never doors."""
    stack = [top]
    while stack:
        path = stack.pop()
        yield path
        if os.path.islink(path) or not os.path.isdir(path):
            continue
        try:
            names = sorted(os.listdir(path), reverse=True)
        except OSError:
            continue  # cannot be read or is gone: the entry itself is all there is
        stack.extend(name if path == "." else f"{path}/{name}" for name in names)
