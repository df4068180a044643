"""Rules of :mod:`pyrunner.system.files`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.system.files import create_exclusive, make_private, read_json, write_atomic, write_json
from pyrunner.system.inotify import Inotify


def test_exclusive_creation_wins_once(tmp_path: Path) -> None:
    """The first content stays, the second creator is told; nothing else is left behind."""
    path = tmp_path / "claim"
    assert create_exclusive(path, b"first")
    assert not create_exclusive(path, b"second")
    assert path.read_bytes() == b"first"
    assert [one.name for one in tmp_path.iterdir()] == ["claim"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_exclusive_creation_shows_no_empty_file(tmp_path: Path) -> None:
    """Whoever is woken by the name finds the content: no event comes before it."""
    inotify = Inotify()
    inotify.add(tmp_path)
    create_exclusive(tmp_path / "abort", b"text")
    names = [event.name for event in inotify.read()]
    inotify.close()
    # One event only: made with its content, not made and then written.
    assert names.count("abort") == 1


def test_atomic_replacement_keeps_the_mode(tmp_path: Path) -> None:
    """A replaced file is private whatever it was before."""
    path = tmp_path / "state.json"
    path.write_text("old")
    path.chmod(0o644)
    write_atomic(path, b"new", durable=False)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)


def test_broken_json_is_named(tmp_path: Path) -> None:
    """A file that holds no JSON is an error with its path, a missing one is told apart."""
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
    path.write_text("{")
    with pytest.raises(JobDirError, match=r"x\.json"):
        read_json(path)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none")


def test_private_folders(tmp_path: Path) -> None:
    """Missing parents are private too, existing ones keep their mode."""
    tmp_path.chmod(0o755)
    make_private(tmp_path / "a" / "b")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    (tmp_path / "file").touch()
    with pytest.raises(JobDirError):
        make_private(tmp_path / "file" / "below")
