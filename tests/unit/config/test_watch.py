"""Noticing that config.toml has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.config.watch import INTERVAL, ConfigWatcher, Reload
from pyrunner.errors import ConfigError


class _Clock:
    """Polls a watcher, each time as much later as it takes to be due."""

    def __init__(self, watcher: ConfigWatcher) -> None:
        self.watcher = watcher
        self.now = 0.0

    def poll(self) -> Reload | None:
        self.now += INTERVAL
        return self.watcher.poll(self.now)

    def settle(self) -> None:
        assert self.poll() is None
        assert self.poll() is None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("concurrent = 1\n")
    return path


def test_unchanged_file_brings_nothing(path: Path) -> None:
    """Polls without a change are silent."""
    watcher = ConfigWatcher(path, {})
    assert watcher.load().concurrent == 1
    _Clock(watcher).settle()


def test_looks_only_every_three_seconds(path: Path) -> None:
    """Between two looks a change is not seen."""
    watcher = ConfigWatcher(path, {})
    watcher.load()
    assert watcher.poll(100.0) is None
    path.write_text("concurrent = 22\n")
    assert watcher.poll(100.0 + INTERVAL - 0.1) is None
    reload = watcher.poll(100.0 + INTERVAL)
    assert reload
    assert reload.config
    assert reload.config.concurrent == 22


def test_older_file_counts_as_changed(path: Path, tmp_path: Path) -> None:
    """A file that is put back with an older time is noticed, unlike upstream."""
    watcher = ConfigWatcher(path, {})
    watcher.load()
    clock = _Clock(watcher)
    clock.settle()
    backup = tmp_path / "backup"
    backup.write_text("concurrent = 5\n")
    os.utime(backup, (1, 1))
    backup.rename(path)
    reload = clock.poll()
    assert reload
    assert reload.config
    assert reload.config.concurrent == 5
    clock.settle()


def test_second_change_within_the_clocks_grain_is_seen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same size, same times, same inode: the content is compared once more after a load."""
    status = path.stat()
    monkeypatch.setattr(os, "fstat", lambda fd: status)
    monkeypatch.setattr(os, "stat", lambda name: status)
    watcher = ConfigWatcher(path, {})
    watcher.load()
    with path.open("r+") as file:
        file.write("concurrent = 9\n")
    reload = _Clock(watcher).poll()
    assert reload
    assert reload.config
    assert reload.config.concurrent == 9


def test_broken_file_is_reported_once_and_again_when_it_changes(path: Path) -> None:
    """The caller keeps what it has; the error has a place; the repaired file is taken."""
    watcher = ConfigWatcher(path, {})
    watcher.load()
    clock = _Clock(watcher)
    path.write_text("concurrent = \n")
    reload = clock.poll()
    assert reload
    assert reload.config is None
    assert "config.toml:1:" in reload.error
    clock.settle()
    path.write_text("concurrent = 'x'\n")
    reload = clock.poll()
    assert reload
    assert "expected an integer" in reload.error
    path.write_text("concurrent = 3\n")
    reload = clock.poll()
    assert reload
    assert reload.config
    assert reload.config.concurrent == 3


def test_concurrent_zero_is_refused_on_reload(path: Path) -> None:
    """A reload that would end the process, and its jobs, upstream changes nothing here."""
    watcher = ConfigWatcher(path, {})
    watcher.load()
    path.write_text("concurrent = 0\n")
    reload = _Clock(watcher).poll()
    assert reload
    assert reload.config is None
    assert "no jobs will be processed" in reload.error


def test_removed_file_is_reported_once_and_taken_when_it_is_back(path: Path, tmp_path: Path) -> None:
    """A file that is gone for a while, as with some editors, changes nothing."""
    watcher = ConfigWatcher(path, {})
    watcher.load()
    clock = _Clock(watcher)
    clock.settle()
    path.rename(tmp_path / "away")
    reload = clock.poll()
    assert reload == Reload(error=f"stat {path}: no such file or directory", missing=True)
    clock.settle()
    (tmp_path / "away").rename(path)
    reload = clock.poll()
    assert reload
    assert reload.config


def test_file_that_appears_after_the_start_is_taken(tmp_path: Path) -> None:
    """`run` may start before `register`; the absence that the caller knows of is not told again."""
    path = tmp_path / "config.toml"
    watcher = ConfigWatcher(path, {})
    with pytest.raises(FileNotFoundError):
        watcher.load()
    clock = _Clock(watcher)
    clock.settle()
    path.write_text("")
    reload = clock.poll()
    assert reload
    assert reload.config


def test_file_broken_at_the_start_is_an_error(path: Path) -> None:
    """At the start there is nothing to keep."""
    path.write_text("x")
    with pytest.raises(ConfigError):
        ConfigWatcher(path, {}).load()


def test_hangup_reads_an_unchanged_file(path: Path) -> None:
    """SIGHUP reloads unconditionally; with the file gone it keeps what was loaded."""
    watcher = ConfigWatcher(path, {})
    watcher.load()
    assert watcher.reload().config
    path.unlink()
    assert watcher.reload().missing
    _Clock(watcher).settle()


def test_unreadable_file_is_reported_once(path: Path) -> None:
    """What is no file any more is an error, told once."""
    watcher = ConfigWatcher(path, {})
    watcher.load()
    path.unlink()
    path.mkdir()
    clock = _Clock(watcher)
    reload = clock.poll()
    assert reload
    assert "cannot read the file" in reload.error
    clock.settle()
