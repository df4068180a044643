"""What old jobs have left is removed: control directories by age, sources that nobody comes back to.

Never anything that a pending job needs, and never inside a slot that is busy (design R9).
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from pyrunner.jobdir.index import done_jobs, forget_done, pending_jobs
from pyrunner.jobdir.layout import Business
from pyrunner.manager.guard import TRASH, remove_tree

_log: Final = logging.getLogger(__name__)

DAY: Final = 86400.0
#: Days that the control directory of an acknowledged job is kept.
KEEP_JOBS: Final = 7
_KINDS: Final = ("branches", "merge_requests", "tags")
#: Levels below a slot at which folders of refs are looked for: host, groups, project.
_DEEPEST: Final = 25


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """``[runners.tristan]`` as far as it is about old files (tristan-layout.md 7)."""

    keep_branches: int = 5
    keep_days: int = 14
    #: Bytes that all sources of the business may use; None: no budget.
    disk_budget: int | None = None


class Reservable(Protocol):
    """Slots that can be kept free for a moment; :class:`~pyrunner.manager.slots.Slots` are."""

    def reserve(self, executor_id: int) -> bool:
        """Keep jobs out of a slot; False when it has one."""

    def unreserve(self, executor_id: int) -> None:
        """Let jobs in again."""


@dataclass(frozen=True, slots=True)
class _Ref:
    path: Path
    project: Path
    used_at: float


class Retention:
    """Prunes one business; called in a background thread.

    :param slots: a slot is reserved while something in it is moved aside.
    :param now: seconds since the epoch.
    """

    def __init__(self, business: Business, slots: Reservable, now: Callable[[], float] = time.time) -> None:
        self._business = business
        self._reservable = slots
        self._now = now

    def prune(self, rules: RetentionRules) -> None:
        """Remove what is too old or too much."""
        self._prune_jobs()
        pending = [one.control.path for one in pending_jobs(self._business)]
        for slot, number in self._slots():
            self._remove_trash(slot)
            refs = sorted(_refs(slot), key=lambda one: one.used_at, reverse=True)
            for ref in self._surplus(refs, rules):
                self._remove_sources(ref, number, pending)
        if rules.disk_budget:
            self._keep_within(rules.disk_budget, pending)

    def _prune_jobs(self) -> None:
        limit = self._now() - KEEP_JOBS * DAY
        pending = {one.control.path for one in pending_jobs(self._business)}
        for one in done_jobs(self._business):
            if one.changed_at < limit:
                if one.control.path not in pending:
                    remove_tree(one.control.path)
                if not one.control.path.exists() or one.control.path in pending:
                    forget_done(self._business, one.job_id)
                with contextlib.suppress(OSError):  # not empty: something else is kept there
                    one.control.path.parent.rmdir()

    def _surplus(self, refs: list[_Ref], rules: RetentionRules) -> Iterator[_Ref]:
        """Yield what is beyond the rules; ``refs`` are sorted, the last used first."""
        oldest = self._now() - rules.keep_days * DAY
        kept: dict[Path, int] = {}
        for ref in refs:
            kept[ref.project] = kept.get(ref.project, 0) + 1
            if ref.used_at < oldest or kept[ref.project] > rules.keep_branches:
                yield ref

    def _keep_within(self, budget: int, pending: Collection[Path]) -> None:
        refs = [(ref, number) for slot, number in self._slots() for ref in _refs(slot)]
        sizes = {ref.path: _size(ref.path / "source") for ref, _ in refs}
        used = sum(sizes.values())
        for ref, number in sorted(refs, key=lambda one: one[0].used_at):
            if used <= budget:
                return
            if self._remove_sources(ref, number, pending):
                used -= sizes[ref.path]

    def _slots(self) -> Iterator[tuple[Path, int]]:
        try:
            entries = list((self._business.path / "run").iterdir())
        except FileNotFoundError:
            return
        yield from ((entry, int(entry.name)) for entry in entries if entry.name.isdecimal())

    def _remove_sources(self, ref: _Ref, slot: int, pending: Collection[Path]) -> bool:
        """Remove the sources of a ref, moved aside first: a job that comes meanwhile clones anew."""
        source = ref.path / "source"
        aside = ref.path / f".source{TRASH}"
        if os.path.lexists(aside):  # of a removal that did not come to its end
            remove_tree(aside)
        if any(one.is_relative_to(ref.path) for one in pending) or not self._reservable.reserve(slot):
            return False
        try:
            if source.exists():
                source.rename(aside)
        except OSError as error:
            _log.warning("cannot remove %s: %s", source, error)
            return False
        finally:
            self._reservable.unreserve(slot)
        remove_tree(aside)
        _remove_if_empty(ref.path)
        return not aside.exists()

    @staticmethod
    def _remove_trash(slot: Path) -> None:
        trash = slot / TRASH
        if trash.is_dir() and not trash.is_symlink():
            for one in list(trash.iterdir()):
                remove_tree(one)


def _refs(slot: Path) -> Iterator[_Ref]:
    """Yield the folders of refs below a slot; never looks into sources, which jobs write."""
    folders = [(slot, 0)]
    while folders:
        folder, depth = folders.pop()
        if (folder / ".project").exists():
            for kind in _KINDS:
                yield from (_Ref(ref, folder, _used_at(ref)) for ref in _subfolders(folder / kind))
        elif depth < _DEEPEST:
            folders.extend((one, depth + 1) for one in _subfolders(folder) if one.name != TRASH)


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()]
    except OSError:
        return []


def _used_at(ref: Path) -> float:
    """Return when a ref's last job came: its control directory was made in ``build`` then."""
    stamps = [ref.stat().st_mtime]
    for name in ("build", "source"):
        with contextlib.suppress(OSError):
            stamps.append((ref / name).stat().st_mtime)
    return max(stamps)


def _remove_if_empty(ref: Path) -> None:
    for folder in (ref / "build", ref):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _size(folder: Path) -> int:
    """Return the disk space of a tree that a job has written; follows no link."""
    total = 0
    waiting = [folder]
    while waiting:
        try:
            entries = list(waiting.pop().iterdir())
        except OSError:
            continue
        for entry in entries:
            try:
                status = entry.lstat()
            except OSError:
                continue
            total += status.st_blocks * 512
            if not entry.is_symlink() and entry.is_dir():
                waiting.append(entry)
    return total
