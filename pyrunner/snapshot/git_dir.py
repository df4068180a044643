"""A git directory of our own for a working copy, so that git takes its settings and its files from us.

What the configuration in a repository names, git runs: filters, textconv, file system monitors, checkers of
signatures, helpers that fetch missing objects; and most commands write to the repository, if only to its
index. A repository may come from anybody, and even ``exec --list`` must not run what it says (design R8).
So everything that looks at files happens here: with the user's own settings, and of the repository's only
those that say how files are to be read.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyrunner.system.files import make_private
from pyrunner.system.git import Git

if TYPE_CHECKING:
    from pyrunner.snapshot.working_copy import WorkingCopy

#: Settings of a repository that are taken over: none of them can name a program.
HARMLESS: Final = (
    "core.autocrlf",
    "core.checkstat",
    "core.eol",
    "core.excludesfile",
    "core.filemode",
    "core.ignorecase",
    "core.precomposeunicode",
    "core.symlinks",
    "core.trustctime",
)
#: What ``git lfs install --local`` writes: to the letter, it is the user's own git-lfs that runs.
LARGE_FILES: Final = {
    "filter.lfs.clean": "git-lfs clean -- %f",
    "filter.lfs.process": "git-lfs filter-process",
    "filter.lfs.required": "true",
}
#: What would make git write beside the index, or talk about line ends.
PLAIN: Final = (
    *("-c", "core.splitIndex=false", "-c", "core.untrackedCache=false", "-c", "core.safecrlf=false"),
    *("-c", "core.fsync=none"),  # nobody needs it after a power cut
)


def make_git_dir(copy: WorkingCopy, path: Path) -> Git:
    """Make a bare repository that borrows all objects of a working copy; return git in it."""
    for name in ("", "info", "objects", "objects/info", "refs", "refs/heads"):
        make_private(path / name)
    settings = {key: value for key, value in copy.own_settings.items() if key in HARMLESS}
    own = copy.own_settings.items()
    settings |= {key: value for key, value in own if LARGE_FILES.get(key) == value}
    settings["core.bare"] = "true"
    if copy.object_format != "sha1":
        settings["extensions.objectformat"] = copy.object_format
    (path / "config").write_text(_written(settings), errors="surrogateescape")
    (path / "HEAD").write_text(f"ref: refs/heads/{copy.default_branch}\n")
    (path / "objects/info/alternates").write_text(f"{copy.common / 'objects'}\n")
    for name in ("exclude", "attributes"):
        _take_over(copy.common / "info" / name, path / "info" / name)
    return Git(path, {**copy.git.environment, "GIT_DIR": str(path)})


def work_tree_git(copy: WorkingCopy, path: Path) -> Git:
    """Return git with the files of a working copy, the directory made by :func:`make_git_dir`, and a copy of
    the index as it is now: git looks again only at files that have changed since it was written."""
    index = path / "snapshot.index"
    for shared in copy.git_dir.glob("sharedindex.*"):
        _take_over(shared, path / shared.name)
    if not _take_over(copy.git_dir / "index", index):
        index.unlink(missing_ok=True)
    environment = {"GIT_DIR": str(path), "GIT_WORK_TREE": str(copy.top), "GIT_INDEX_FILE": str(index)}
    return Git(copy.top, {**copy.git.environment, **environment})


def _take_over(theirs: Path, ours: Path) -> bool:
    """Copy a file with its time, by which git tells which entries of an index to look at closely."""
    if not theirs.is_file():
        return False
    shutil.copy2(theirs, ours)
    return True


def _written(settings: Mapping[str, str]) -> str:
    version = 1 if any(key.startswith("extensions.") for key in settings) else 0
    lines = ["[core]", f"\trepositoryformatversion = {version}"]
    for key, value in sorted(settings.items()):
        section, _, name = key.rpartition(".")
        section, _, part = section.partition(".")
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines += [f'[{section} "{part}"]' if part else f"[{section}]", f'\t{name} = "{quoted}"']
    return "\n".join(lines) + "\n"
