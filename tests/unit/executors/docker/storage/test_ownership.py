"""A tree goes to another user, and nothing else does (design R8)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.executors.docker.storage.ownership import give_tree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def test_the_tree_and_nothing_that_it_leads_to(tmp_path: Path) -> None:
    """Links themselves change hands, what they lead to does not; nor what is beside the tree."""
    source, kept = tmp_path / "source", tmp_path / "kept"
    inner = source / "group" / "app" / "inner"
    for folder in (inner, kept):
        folder.mkdir(parents=True)
    for file in (inner / "file", kept / "file"):
        file.write_text("")
    (inner / "link").symlink_to(kept / "file")
    (inner / "folder").symlink_to(kept)
    os.mkfifo(inner / "fifo")
    give_tree(source, "group/app", 4711, 4712)
    given = (inner.parent, inner, inner / "file", inner / "link", inner / "folder", inner / "fifo")
    assert {owner(one) for one in given} == {(4711, 4712)}
    assert {owner(one) for one in (kept, kept / "file", source, source / "group")} == {(0, 0)}


def test_a_tree_deeper_than_our_stack(tmp_path: Path) -> None:
    """A job can make folders of any depth."""
    (tmp_path / "app").mkdir()
    folder = os.open(tmp_path / "app", os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    give_tree(tmp_path, "app", 4711, 4712)
    status = os.fstat(folder)
    os.close(folder)
    subprocess.run(["rm", "-rf", str(tmp_path / "app")], check=True)  # too deep for pytest, too
    assert (status.st_uid, status.st_gid) == (4711, 4712)


def test_no_link_on_the_way(tmp_path: Path) -> None:
    """A link in the place of the folder, or above it, is told; one that is missing is nobody's."""
    (tmp_path / "kept" / "app").mkdir(parents=True)
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "group").symlink_to(tmp_path / "kept")
    with pytest.raises(JobDirError, match="cannot give"):
        give_tree(tmp_path / "source", "group/app", 4711, 4712)
    with pytest.raises(JobDirError, match="is not in"):
        give_tree(tmp_path / "source", "../kept", 4711, 4712)
    give_tree(tmp_path / "source", "missing", 4711, 4712)
    assert owner(tmp_path / "kept" / "app") == (0, 0)
