"""Rules of :mod:`pyrunner.system.inotify`."""

from __future__ import annotations

import selectors
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.system.files import write_atomic
from pyrunner.system.inotify import Inotify


@pytest.fixture
def inotify() -> Iterator[Inotify]:
    one = Inotify()
    yield one
    one.close()


def names(inotify: Inotify) -> set[tuple[Path | None, str]]:
    return {(event.folder, event.name) for event in inotify.read()}


def test_reports_an_atomic_replacement(inotify: Inotify, tmp_path: Path) -> None:
    """A file put in place by rename is reported under its final name."""
    inotify.add(tmp_path)
    write_atomic(tmp_path / "state.json", b"{}", durable=False)
    assert (tmp_path, "state.json") in names(inotify)


def test_reports_which_folder(inotify: Inotify, tmp_path: Path) -> None:
    """Events of several folders are told apart."""
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        inotify.add(folder)
    (second / "x").touch()
    assert names(inotify) == {(second, "x")}


def test_read_does_not_wait(inotify: Inotify, tmp_path: Path) -> None:
    """Without events, read returns nothing at once."""
    inotify.add(tmp_path)
    assert inotify.read() == []


def test_is_selectable(inotify: Inotify, tmp_path: Path) -> None:
    """A selector wakes up for it."""
    inotify.add(tmp_path)
    with selectors.DefaultSelector() as selector:
        selector.register(inotify, selectors.EVENT_READ)
        assert selector.select(0) == []
        (tmp_path / "x").touch()
        assert len(selector.select(5)) == 1


def test_removed_folder_is_silent(inotify: Inotify, tmp_path: Path) -> None:
    """After remove, nothing of that folder is reported; remove is safe twice."""
    inotify.add(tmp_path)
    inotify.remove(tmp_path)
    inotify.remove(tmp_path)
    (tmp_path / "x").touch()
    assert inotify.read() == []


def test_deleted_folder_can_be_watched_again(inotify: Inotify, tmp_path: Path) -> None:
    """A folder that was deleted and made anew is watched by a second add."""
    folder = tmp_path / "a"
    folder.mkdir()
    inotify.add(folder)
    folder.rmdir()
    inotify.read()
    folder.mkdir()
    inotify.add(folder)
    (folder / "x").touch()
    assert names(inotify) == {(folder, "x")}


def test_missing_folder_is_an_error(inotify: Inotify, tmp_path: Path) -> None:
    """Watching what does not exist is said at once, with the path."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        inotify.add(tmp_path / "nowhere")


def test_symlink_is_not_followed(inotify: Inotify, tmp_path: Path) -> None:
    """A planted link does not make us watch another folder."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match="link"):
        inotify.add(tmp_path / "link")
