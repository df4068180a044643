"""A commit of all that is in a working copy, made without writing to its repository.

The index is a copy, so that git looks again only at files that have changed; new objects go to a bare
repository of ours, which borrows all others from the original (:mod:`.git_dir`).
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.ci.event import NO_COMMIT, Event
from pyrunner.errors import UsageError
from pyrunner.snapshot.git_dir import PLAIN, make_git_dir, work_tree_git
from pyrunner.snapshot.working_copy import WorkingCopy
from pyrunner.system.git import Git

_IDENTITY: Final = "pyrunner exec"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was taken.

    :param sha: the commit; the one that is checked out when nothing has changed.
    :param tree: its content: equal for equal files.
    :param changed: there was something uncommitted.
    :param seconds: how long it took.
    """

    sha: str
    tree: str
    changed: bool
    seconds: float


def open_store(copy: WorkingCopy, path: Path) -> Git:
    """Make the bare repository that takes what is new, and return git in it.

    :raises GitError: when it cannot be made.
    """
    store = make_git_dir(copy, path)
    refs = copy.git.text("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
    if refs:
        (path / "packed-refs").write_text(refs + "\n", errors="surrogateescape")
    shallow = copy.common / "shallow"
    if shallow.is_file():
        shutil.copyfile(shallow, path / "shallow")
    return store


def cut_history(copy: WorkingCopy, store: Git, sha: str) -> None:
    """Serve a commit of a partial clone without those before it: their files are not here.

    :raises UsageError: when some of its own files are not here either, as of folders not checked out.
    """
    own = copy.own_settings
    if not any(key == "extensions.partialclone" or key.endswith(".promisor") for key in own):
        return
    with (store.folder / "shallow").open("a") as file:
        file.write(f"{sha}\n")
    listed = store.text("rev-list", "--objects", "--missing=print", "--no-object-names", sha)
    if missing := sum(line.startswith("?") for line in listed.split("\n")):
        raise UsageError(
            f"this is a partial clone, and {missing} of the files of {sha[:8]} are not here; "
            "git fetch --refetch --no-filter brings all of them"
        )


def take_snapshot(copy: WorkingCopy, store: Git) -> Snapshot:
    """Return the working copy as a commit in ``store``.

    :raises GitError: when git cannot read a file, or the disk is full.
    """
    began = time.monotonic()
    tree = tree_of(copy, store.folder)
    if copy.head and tree == copy.git.find("rev-parse", "--verify", "--quiet", f"{copy.head}^{{tree}}"):
        return Snapshot(copy.head, tree, False, time.monotonic() - began)
    head = copy.commit("HEAD") if copy.head else None
    date = head.timestamp if head else "2000-01-01T00:00:00+00:00"
    who = {"NAME": _IDENTITY, "EMAIL": "pyrunner@localhost", "DATE": date}
    extra = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    title = f"Uncommitted changes on {copy.head[:8]}" if head else "Uncommitted files"
    parent = ("-p", copy.head) if copy.head else ()
    sha = store.text("commit-tree", tree, *parent, "-m", title, extra=extra)
    return Snapshot(sha, tree, True, time.monotonic() - began)


def tree_of(copy: WorkingCopy, store: Path) -> str:
    """Return the id of the tree of all files that git sees in a working copy; new objects go to ``store``.

    Untracked repositories within it are left out, and of submodules only their commit is looked at.

    :raises GitError: when git cannot read a file, or the disk is full.
    """
    git = work_tree_git(copy, store)
    # not "git add": it asks after the state of each submodule, with that submodule's own settings
    found = git.names(*PLAIN, "ls-files", "-z", "--modified", "--others", "--exclude-standard")
    names = dict.fromkeys(one for one in found if not one.endswith("/"))
    if names:
        listed = "".join(f"{one}\0" for one in names).encode("utf-8", "surrogateescape")
        git.raw(*PLAIN, "update-index", "--add", "--remove", "--replace", "-z", "--stdin", data=listed)
    return git.text(*PLAIN, "write-tree", "--missing-ok")


def publish(store: Git, event: Event, sha: str) -> None:
    """Let the refs that jobs of an event fetch mean ``sha``.

    :raises GitError: when a ref cannot be made, e.g. as another has its name for a folder.
    """
    if sha == NO_COMMIT:
        return
    refs = [f"refs/{'tags' if event.tag else 'heads'}/{event.ref}"]
    if event.merge_request is not None:
        refs.append(event.merge_request.ref_path)
    for ref in refs:
        store.raw("update-ref", "--no-deref", ref, sha)
