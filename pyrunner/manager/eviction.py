"""Takes away one thing that nobody needs: moved aside while it is locked, then removed at leisure.

A job that comes right after the move finds nothing and begins anew; it never finds half of something.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from pyrunner.errors import JobDirError
from pyrunner.jobdir.index import forget_done
from pyrunner.jobdir.layout import Business
from pyrunner.manager.guard import TRASH, remove_tree
from pyrunner.manager.in_use import InUse
from pyrunner.manager.reclaimable import Kind, Reclaimable
from pyrunner.manager.run_folders import (
    changed_at,
    project_folders,
    ref_folders,
    remove_if_empty,
    slot_folders,
    subfolders,
)
from pyrunner.system.files import make_private
from pyrunner.system.mounts import mounts_within

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Reservable(Protocol):
    """Slots that can be kept free for a moment; :class:`~pyrunner.manager.slot_locks.SlotsOnDisk` are."""

    def reserve(self, executor_id: int) -> bool:
        """Keep jobs out of a slot; False when it has one."""

    def unreserve(self, executor_id: int) -> None:
        """Let jobs in again."""


class Eviction:
    """Removes things of one business.

    :param slots: a slot is reserved while something in it is moved aside.
    :param in_use: what jobs need at the moment of asking.
    """

    def __init__(
        self, business: Business, slots: Reservable, in_use: Callable[[Business], InUse] = InUse.of
    ) -> None:
        self._business = business
        self._slots = slots
        self._in_use = in_use

    def remove(self, one: Reclaimable) -> str:
        """Remove something; return why it is kept, empty when it is gone."""
        try:
            return self._remove_job(one) if one.kind is Kind.JOB else self._take_away(one)
        except FileNotFoundError:
            return "it is gone already"
        except OSError as error:
            return f"{error.filename or one.path}: {error.strerror}"
        except JobDirError as error:
            return str(error)

    def sweep(self) -> None:
        """Remove what removals that were cut short have left, and folders of refs that nothing is left in."""
        for slot, folder in slot_folders(self._business):
            self._empty(folder / TRASH)
            if self._slots.reserve(slot):
                try:
                    self._remove_empty_refs(folder)
                finally:
                    self._slots.unreserve(slot)
        self._empty(self._business.cache / TRASH)
        needed = self._in_use(self._business)
        for host in subfolders(self._business.cache / "projects"):
            for project in subfolders(host):
                if not needed.unknown_caches and project not in needed.caches:
                    for one in subfolders(project):
                        if one.name.startswith("."):  # begun anew for another user
                            remove_tree(one)

    @staticmethod
    def _empty(trash: Path) -> None:
        for one in subfolders(trash) if not trash.is_symlink() else ():
            remove_tree(one)

    @staticmethod
    def _remove_empty_refs(slot: Path) -> None:
        for project in project_folders(slot):
            for ref in ref_folders(project):
                if not os.path.lexists(ref.path / "source"):
                    remove_if_empty(ref.path / "build", ref.path)

    def _remove_job(self, one: Reclaimable) -> str:
        if self._in_use(self._business).needs(one):
            return "its result is on its way"
        build, ref = one.path.parent, one.path.parent.parent
        used = max(changed_at(build), changed_at(ref))
        remove_tree(one.path)
        # That the record is gone was no use of the ref.
        for folder in (build, ref):
            with contextlib.suppress(OSError):
                os.utime(folder, (used, used), follow_symlinks=False)
        if one.path.exists():
            return "it cannot be removed as a whole"
        forget_done(self._business, one.job_id)
        return ""

    def _take_away(self, one: Reclaimable) -> str:
        if mounted := mounts_within(one.path):
            return f"something is mounted at {mounted[0]}"
        if one.slot and not self._slots.reserve(one.slot):
            return "a job is at work in its slot"
        try:
            # Asked under the lock: who comes now finds the slot taken.
            if self._in_use(self._business).needs(one):
                return "a job needs it"
            in_cache = one.project_cache is not None
            trash = (self._business.cache if in_cache else self._business.slot(one.slot)) / TRASH
            make_private(trash)
            asides = [self._move_aside(one.path, trash)]
            if one.ref is not None:
                with contextlib.suppress(FileNotFoundError):  # of a job that was killed while it tidied up
                    asides.append(self._move_aside(one.path.with_name(f".{one.path.name}{TRASH}"), trash))
                remove_if_empty(one.ref / "build", one.ref)
        finally:
            if one.slot:
                self._slots.unreserve(one.slot)
        for aside in asides:
            remove_tree(aside)
        return "parts of it cannot be removed" if any(map(os.path.lexists, asides)) else ""

    @staticmethod
    def _move_aside(path: Path, trash: Path) -> Path:
        aside = trash / secrets.token_hex(8)
        # Jobs can write to the folder that a cache is in: by its descriptor, nothing that they put in the
        # place of the folder itself leads elsewhere. What is moved is never followed.
        source = os.open(path.parent, _FOLDER)
        try:
            target = os.open(trash, _FOLDER)
            try:
                os.rename(path.name, aside.name, src_dir_fd=source, dst_dir_fd=target)
            finally:
                os.close(target)
        finally:
            os.close(source)
        return aside
