"""Files that are whole or absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.system.files import create_exclusive, make_private, read_json, write_atomic, write_json


def test_replaces_the_content(tmp_path: Path) -> None:
    """New and old files alike end with the whole content, private."""
    path = tmp_path / "file"
    for data in (b"one", b"", b"x" * 3_000_000):
        write_atomic(path, data)
        assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_mode_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """The mode is what was asked for, on a file that was there as well."""
    former = os.umask(umask)
    try:
        for mode in (0o600, 0o644):
            write_atomic(tmp_path / "file", b"", mode)
            assert (tmp_path / "file").stat().st_mode & 0o777 == mode
    finally:
        os.umask(former)


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_failed_write_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """The old content stays whole, and nothing is left beside it."""
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="no room"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take less than it was given."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:3]))
    write_atomic(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_follows_no_link(tmp_path: Path) -> None:
    """A link in the place of the file is replaced, what it leads to is not touched."""
    (tmp_path / "victim").write_bytes(b"victim")
    (tmp_path / "file").symlink_to(tmp_path / "victim")
    write_atomic(tmp_path / "file", b"new")
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "victim").read_bytes() == b"victim"


def test_durable_syncs_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut takes neither content nor name; what need not survive one costs no sync."""
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    write_atomic(tmp_path / "file", b"x", durable=False)
    assert synced == []
    write_atomic(tmp_path / "file", b"x")
    assert len(synced) == 2
    assert synced[1] == str(tmp_path)


def test_json_round_trip(tmp_path: Path) -> None:
    """Any text survives, also what is no valid Unicode."""
    value = {"a": [1, None, True, 1.5], "ü": "\udcff\n"}
    write_json(tmp_path / "file", value)
    assert read_json(tmp_path / "file") == value


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_broken_json_names_its_file(tmp_path: Path, content: bytes) -> None:
    """The user learns which file."""
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(JobDirError, match="file: not JSON"):
        read_json(tmp_path / "file")


def test_missing_json(tmp_path: Path) -> None:
    """Absence is told from damage."""
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "file")


def test_the_first_creator_wins(tmp_path: Path) -> None:
    """Exactly one call makes the file; later ones change nothing."""
    path = tmp_path / "claim"
    assert create_exclusive(path, b"first")
    assert not create_exclusive(path, b"second")
    assert path.read_bytes() == b"first"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    """Nobody can have the file made elsewhere."""
    (tmp_path / "claim").symlink_to(tmp_path / "elsewhere")
    assert not create_exclusive(tmp_path / "claim", b"")
    assert not (tmp_path / "elsewhere").exists()


def test_private_folders(tmp_path: Path) -> None:
    """Missing parents are made private too; what was there before keeps its mode."""
    tmp_path.chmod(0o755)
    make_private(tmp_path / "a" / "b")
    make_private(tmp_path / "a" / "b")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """The error names the path."""
    (tmp_path / "a").write_text("")
    with pytest.raises(JobDirError, match=r"cannot make .*/a/b"):
        make_private(tmp_path / "a" / "b")
