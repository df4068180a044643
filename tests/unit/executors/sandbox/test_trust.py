"""What may be mounted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.executors.sandbox.trust import check_mount_source, is_private


def test_a_folder_of_ours(tmp_path: Path) -> None:
    """Its own mode does not matter, it is the job's; those above it are ours alone."""
    folder = tmp_path / "source"
    folder.mkdir()
    folder.chmod(0o777)
    check_mount_source(folder)


def test_links_are_refused(tmp_path: Path) -> None:
    """As the folder itself, and on the way."""
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for path in (tmp_path / "link", tmp_path / "link" / "inner"):
        with pytest.raises(JobDirError, match="symbolic link"):
            check_mount_source(path)


def test_files_missing_folders_and_crooked_paths_are_refused(tmp_path: Path) -> None:
    """Only a real folder is mounted."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "none", tmp_path / ".." / tmp_path.name, Path("relative")):
        with pytest.raises(JobDirError):
            check_mount_source(path)


def test_a_parent_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """Who can write it can put a link in the folder's place; a sticky one cannot be used so."""
    parent = tmp_path / "parent"
    (parent / "source").mkdir(parents=True)
    parent.chmod(0o777)
    with pytest.raises(JobDirError, match="written by others"):
        check_mount_source(parent / "source")
    parent.chmod(0o1777)
    check_mount_source(parent / "source")


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user")
def test_a_parent_of_another_user_is_refused(tmp_path: Path) -> None:
    """The owner can do with it what they like."""
    parent = tmp_path / "parent"
    (parent / "source").mkdir(parents=True)
    os.chown(parent, 4321, 4321)
    with pytest.raises(JobDirError, match="belongs to user 4321"):
        check_mount_source(parent / "source")


def test_private_means_a_closed_folder_above(tmp_path: Path) -> None:
    """The folder's own mode does not count: it is opened to the job."""
    (tmp_path / "open" / "source").mkdir(parents=True)
    tmp_path.chmod(0o755)
    closed = tmp_path / "open"
    closed.chmod(0o700)
    assert is_private(closed / "source")
