"""Open-file-description locks: handing over and probing (design R3)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pyrunner.system.inotify import Inotify
from pyrunner.system.lock import OpenFileLock, is_held, try_lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a lock is."""
    return tmp_path / "lock"


def taken(path: Path) -> OpenFileLock:
    """Return the lock, which has to be free."""
    lock = OpenFileLock.take(path)
    assert lock is not None
    return lock


def test_one_holder(path: Path) -> None:
    """Who comes second gets nothing, also within one process, until the first has let go."""
    lock = taken(path)
    assert OpenFileLock.take(path) is None
    lock.close()
    taken(path).close()


def test_a_probe_tells_and_takes_nothing(path: Path) -> None:
    """Any number of probes see the same, and leave the lock free for its next owner."""
    assert not is_held(path)
    lock = taken(path)
    assert is_held(path)
    assert is_held(path)
    lock.close()
    assert not is_held(path)
    taken(path).close()


def test_closing_twice_harms_nobody(path: Path) -> None:
    """The descriptor's number may be another's by then."""
    lock = taken(path)
    lock.close()
    other = os.open(path, os.O_RDONLY)
    lock.close()
    os.fstat(other)
    os.close(other)


def test_opening_and_closing_the_file_releases_nothing(path: Path) -> None:
    """Unlike with POSIX locks, the lock is the open file's: other descriptors do not matter."""
    lock = taken(path)
    os.close(os.open(path, os.O_RDWR))
    assert is_held(path)
    lock.close()


def test_handing_over(path: Path) -> None:
    """The lock is held until its last copy is closed: its first owner may go."""
    lock = taken(path)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock.fd]) as heir:
        lock.close()
        assert is_held(path)
        assert OpenFileLock.take(path) is None
        heir.communicate()
    assert not is_held(path)


def test_not_inherited_by_programs(path: Path) -> None:
    """A program that a holder starts does not keep the lock."""
    lock = taken(path)
    assert not os.get_inheritable(lock.fd)
    lock.close()


def test_no_link_is_followed(path: Path, tmp_path: Path) -> None:
    """A link in the lock's place cannot have another file made or locked."""
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        OpenFileLock.take(path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_probe_wakes_nobody(path: Path, tmp_path: Path) -> None:
    """Who watches the folder and probes when something has changed must not wake himself."""
    lock = taken(path)
    inotify = Inotify()
    try:
        inotify.add(tmp_path)
        is_held(path)
        assert not inotify.read()
    finally:
        inotify.close()
        lock.close()


def test_a_file_that_is_open_already_can_be_locked(tmp_path: Path) -> None:
    """By one open file only; the end of that one frees it."""
    first, second = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600) for _ in range(2))
    try:
        assert try_lock(first)
        assert not try_lock(second)
        os.close(first)
        assert try_lock(second)
    finally:
        os.close(second)
