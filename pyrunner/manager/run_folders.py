"""What is below ``run/``: slots, projects, refs, and when they were used last (tristan-layout.md 1).

Sources are never looked into: jobs write them. So do the times come from folders that no job can touch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.jobdir.layout import Business
from pyrunner.manager.guard import TRASH

_KINDS: Final = ("branches", "merge_requests", "tags")
#: Levels below a slot at which projects are looked for: host, groups, project.
_DEEPEST: Final = 25


@dataclass(frozen=True, slots=True)
class RefFolder:
    """The folder of a branch, tag or merge request in a slot."""

    path: Path
    project: Path
    #: Seconds since the epoch.
    used_at: float


def slot_folders(business: Business) -> Iterator[tuple[int, Path]]:
    """Yield the slots of a business: executor id and folder."""
    for entry in subfolders(business.path / "run"):
        if entry.name.isdecimal() and int(entry.name) > 0:
            yield int(entry.name), entry


def project_folders(slot: Path) -> Iterator[Path]:
    """Yield the folders of projects in a slot."""
    folders = [(slot, 0)]
    while folders:
        folder, depth = folders.pop()
        if (folder / ".project").exists():
            yield folder
        elif depth < _DEEPEST:
            folders.extend((one, depth + 1) for one in subfolders(folder) if one.name != TRASH)


def ref_folders(project: Path) -> Iterator[RefFolder]:
    """Yield the folders of a project's refs."""
    for kind in _KINDS:
        for ref in subfolders(project / kind):
            yield RefFolder(ref, project, _used_at(ref))


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in ``folder``, links not among them; none where it cannot be read."""
    try:
        return [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()]
    except OSError:
        return []


def changed_at(path: Path) -> float:
    """Return when a file or folder was changed last, a link not followed; 0 when it is not there."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def remove_if_empty(*folders: Path) -> None:
    """Remove folders that nothing is left in, in this order."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _used_at(ref: Path) -> float:
    """Return when a ref's last job came: its control directory was made in ``build`` then."""
    return max(changed_at(ref), changed_at(ref / "build"))
