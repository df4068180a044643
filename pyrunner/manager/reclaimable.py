"""What a business keeps only to be quicker next time, and could do without (tristan-layout.md 2).

============ ================================================= =======================================
kind         what                                              used last
============ ================================================= =======================================
sources      checkouts of a ref, or of a project in a slot     when the last job of that ref, of the
                                                               project, came
libraries    build tools' libraries of a project in a slot     when the last job of the project came
cache        an archive of ``cache:``                          when it was written or read
slot cache   the folder that containers of a slot have as      when it was changed
             ``/cache``
job          the record and log of an acknowledged job         when it was acknowledged; not removed on
                                                               the day after that
image        a docker image that was pulled for our jobs       when a job asked for it
volume       a docker volume that was made for our jobs        when a job asked for it
============ ================================================= =======================================

Jobs can set the times of what they can write. A time to come counts as the last time that a job of the
project came.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pyrunner.jobdir.index import done_jobs
from pyrunner.jobdir.layout import SLOT_CACHES, Business, project_dependency_lib
from pyrunner.manager.run_folders import changed_at, project_folders, ref_folders, slot_folders, subfolders

#: Seconds that the record of an acknowledged job stays whatever it takes: the same job may come again.
YOUNG_JOB: Final = 86400.0
#: Entries of one cache that are looked at for the time of its last use.
_MOST_ENTRIES: Final = 1000
#: Folders below one another that a key's slashes make.
_DEEPEST_KEY: Final = 32
_SLOT_CACHE: Final = re.compile(r"slot([0-9]{1,9})\Z")


class Kind(StrEnum):
    """See the table above."""

    SOURCES = "sources"
    LIBRARIES = "libraries"
    CACHE = "cache"
    SLOT_CACHE = "slot cache"
    JOB = "job"
    IMAGE = "image"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class Reclaimable:
    """One thing that can be removed as a whole."""

    kind: Kind
    #: For people: a path below the business, or the engine's name for it.
    name: str
    #: Seconds since the epoch, never to come.
    used_at: float
    path: Path
    #: The slot that it belongs to; 0: to none.
    slot: int = 0
    #: Folder of the ref; a job of it whose result is not acknowledged keeps it.
    ref: Path | None = None
    #: Folder of the project's caches; a job of the project that has not ended keeps them.
    project_cache: Path | None = None
    job_id: int = 0
    #: Bytes, where its owner knows; None: to be measured.
    size: int | None = None
    #: A job or container may need it, as its owner knows.
    held: bool = False


def find_reclaimable(business: Business, now: float) -> Iterator[Reclaimable]:
    """Yield all that can be removed from the folders of a business.

    :param now: seconds since the epoch.
    """
    yield from _in_slots(business, now)
    yield from _in_caches(business, now)
    for job in done_jobs(business):
        if job.changed_at < now - YOUNG_JOB:
            path = job.control.path
            yield Reclaimable(
                Kind.JOB,
                _name(business, path),
                job.changed_at,
                path,
                ref=path.parent.parent,
                job_id=job.job_id,
            )


def _in_slots(business: Business, now: float) -> Iterator[Reclaimable]:
    for slot, folder in slot_folders(business):
        for project in project_folders(folder):
            refs = list(ref_folders(project))
            last = min(now, max((one.used_at for one in refs), default=changed_at(project)))
            for ref in refs:
                source, used = ref.path / "source", min(now, ref.used_at)
                if _is_folder(source):
                    yield Reclaimable(
                        Kind.SOURCES, _name(business, source), used, source, slot=slot, ref=ref.path
                    )
            if _is_folder(source := project / "source"):
                yield Reclaimable(Kind.SOURCES, _name(business, source), last, source, slot=slot)
            for protected in (False, True):
                libraries = project_dependency_lib(project, protected)
                if _is_folder(libraries):
                    # No job can write to the folder that it is in.
                    used = min(now, changed_at(libraries.parent))
                    yield Reclaimable(Kind.LIBRARIES, _name(business, libraries), used, libraries, slot=slot)


def _in_caches(business: Business, now: float) -> Iterator[Reclaimable]:
    for host in subfolders(business.cache / "projects"):
        for project in subfolders(host):
            for folder in subfolders(project):
                if not folder.name.startswith("."):
                    yield from _in_cache(business, project, folder, now)


def _in_cache(business: Business, project: Path, folder: Path, now: float) -> Iterator[Reclaimable]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    came = min(now, changed_at(project))
    for entry in entries:
        number = _SLOT_CACHE.match(entry.name) if folder.name.endswith(SLOT_CACHES) else None
        used = changed_at(entry) if number else _archive_used_at(entry)
        yield Reclaimable(
            Kind.SLOT_CACHE if number else Kind.CACHE,
            _name(business, entry),
            used if used <= now else came,
            entry,
            slot=int(number[1]) if number else 0,
            project_cache=project,
        )


def _archive_used_at(entry: Path) -> float:
    """Return when an archive was written or read: reading sets no time but that of the access.

    Only so much is looked at: a job's workspace stage can leave a tree here of any size and depth.
    """
    latest, seen = changed_at(entry), 0
    folders = [(str(entry), 0)]
    while folders and seen < _MOST_ENTRIES:
        folder, depth = folders.pop()
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for one in itertools.islice(entries, _MOST_ENTRIES):
                seen += 1
                if one.is_dir(follow_symlinks=False):
                    if depth < _DEEPEST_KEY:
                        folders.append((one.path, depth + 1))
                    continue
                status = one.stat(follow_symlinks=False)
                latest = max(latest, status.st_mtime, status.st_atime)
    return latest


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _name(business: Business, path: Path) -> str:
    return str(path.relative_to(business.path))
