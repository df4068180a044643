"""Replacing a file that others read and write."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from pyrunner.config.rewrite import rewrite
from pyrunner.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    return path


def test_content_comes_by_rename_with_the_old_mode(path: Path) -> None:
    """A reader of the old file keeps it whole; the new one has its mode, and nothing is left over."""
    with path.open("rb") as reader:
        assert rewrite(path, lambda old: (old or b"") + b" and new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"old and new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(path.parent) == ["config.toml"]


def test_symlink_is_followed(path: Path, tmp_path: Path) -> None:
    """The link stays a link and the file behind it changes."""
    link = tmp_path / "link.toml"
    link.symlink_to(path.name)
    rewrite(link, lambda old: b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


def test_link_to_nothing_makes_the_file_behind_it(tmp_path: Path) -> None:
    """A link that dangles names the file to make."""
    link = tmp_path / "link.toml"
    link.symlink_to("real.toml")
    rewrite(link, lambda old: b"new")
    assert (tmp_path / "real.toml").read_bytes() == b"new"
    assert link.is_symlink()


def test_hard_link_is_written_in_place(path: Path, tmp_path: Path) -> None:
    """A rename would part the two names."""
    other = tmp_path / "other"
    other.hardlink_to(path)
    rewrite(path, lambda old: b"n")
    assert other.read_bytes() == b"n"


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EXDEV])
def test_file_that_cannot_be_renamed_over_is_written_in_place(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A bind-mounted file refuses the rename; it keeps its inode and gets the content."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    inode = path.stat().st_ino
    monkeypatch.setattr(os, "rename", refuse)
    assert rewrite(path, lambda old: b"n")
    assert (path.read_bytes(), path.stat().st_ino) == (b"n", inode)
    assert os.listdir(path.parent) == ["config.toml"]


def test_owner_that_cannot_be_kept_means_in_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of somebody else that we may only write stays theirs."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no")

    real = os.fstat
    inode = path.stat().st_ino
    seen: list[int] = []

    def other_owner(fd: int) -> os.stat_result:
        status = real(fd)
        if status.st_ino == inode:
            seen.append(fd)
            return os.stat_result(
                (*status[:4], 12345, 12345, *status[6:]),
                {
                    "st_mtime_ns": status.st_mtime_ns,
                    "st_ctime_ns": status.st_ctime_ns,
                },
            )
        return status

    monkeypatch.setattr(os, "fchown", refuse)
    monkeypatch.setattr(os, "fstat", other_owner)
    assert rewrite(path, lambda old: b"n")
    assert seen
    assert (path.read_bytes(), path.stat().st_ino) == (b"n", inode)


def test_folder_without_write_access_means_in_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no temporary file can be made the content goes into the file."""
    real = os.open

    def refuse(name: str | os.PathLike[str], flags: int, mode: int = 0o777) -> int:
        if str(name).endswith(".tmp"):
            raise PermissionError(errno.EACCES, "no", str(name))
        return real(name, flags, mode)

    inode = path.stat().st_ino
    monkeypatch.setattr(os, "open", refuse)
    assert rewrite(path, lambda old: b"n")
    assert (path.read_bytes(), path.stat().st_ino) == (b"n", inode)


def test_failed_change_leaves_nothing_behind(tmp_path: Path, path: Path) -> None:
    """An error in the change writes nothing and makes no file."""

    def fail(old: bytes | None) -> bytes:
        raise ConfigError("no")

    for target in (path, tmp_path / "absent.toml"):
        with pytest.raises(ConfigError, match="no"):
            rewrite(target, fail)
    assert os.listdir(tmp_path) == ["config.toml"]
    assert path.read_bytes() == b"old"


def test_missing_file_is_told_apart_from_an_empty_one(tmp_path: Path) -> None:
    """The change gets None for no file, and empty bytes for an empty one."""
    given: list[bytes | None] = []

    def note(old: bytes | None) -> None:
        given.append(old)

    path = tmp_path / "config.toml"
    assert not rewrite(path, note)
    assert not path.exists()
    path.touch()
    assert not rewrite(path, note)
    assert given == [None, b""]


def test_change_by_a_program_that_takes_no_lock_is_not_lost(path: Path) -> None:
    """When the file changed while the change was made, it is made again on the newer content."""
    given: list[bytes | None] = []

    def change(old: bytes | None) -> bytes:
        given.append(old)
        if len(given) == 1:
            path.write_bytes(b"written by an editor")
        return (old or b"") + b"!"

    assert rewrite(path, change)
    assert given == [b"old", b"written by an editor"]
    assert path.read_bytes() == b"written by an editor!"


def test_replaced_file_is_not_lost(path: Path, tmp_path: Path) -> None:
    """The same for an editor that renames."""
    given: list[bytes | None] = []

    def change(old: bytes | None) -> bytes:
        given.append(old)
        if len(given) == 1:
            other = tmp_path / "other"
            other.write_bytes(b"renamed here")
            other.rename(path)
        return (old or b"") + b"!"

    assert rewrite(path, change)
    assert path.read_bytes() == b"renamed here!"


def test_lock_that_stays_taken_is_an_error(path: Path) -> None:
    """A process that hangs with the lock does not hang everybody."""
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another process holds the lock"):
            rewrite(path, lambda old: b"new", lock_timeout=0)
    assert path.read_bytes() == b"old"


def test_threads_do_not_lose_each_others_changes(path: Path) -> None:
    """Every one of many changes at once is in the file in the end."""
    path.write_bytes(b"")

    def add(number: int) -> None:
        for _ in range(5):
            rewrite(path, lambda old: (old or b"") + b"%d\n" % number)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.read_bytes().split()) == sorted(
        b"%d" % number for number in range(4) for _ in range(5)
    )


def test_lock_is_on_the_file_of_that_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock won on a file that was renamed away meanwhile does not count."""
    real = fcntl.flock
    attempts: list[int] = []

    def replaced_while_waiting(fd: int, operation: int) -> None:
        attempts.append(fd)
        if len(attempts) == 1:
            other = path.with_name("other")
            other.write_bytes(b"newer")
            other.rename(path)
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", replaced_while_waiting)
    rewrite(path, lambda old: (old or b"") + b"!")
    assert len(attempts) == 2
    assert path.read_bytes() == b"newer!"
