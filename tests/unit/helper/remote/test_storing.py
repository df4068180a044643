"""A downloaded archive takes its place, and is known again (job-execution.md 7.2)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.errors import ArchiveError
from pyrunner.helper.remote.record import REMOTE_FILE, record_etag, recorded_etag
from pyrunner.helper.remote.storing import Attributes, is_up_to_date, store, write_fully


def test_the_place_is_taken_at_once(tmp_path: Path) -> None:
    """With the object's time and metadata; the old archive stays until the new one is whole."""
    file = tmp_path / "cache.zip"
    file.write_text("old")

    def write(fd: int) -> None:
        write_fully(fd, b"new content", 0)
        write_fully(fd, b"NEW", 0)
        assert file.read_text() == "old"

    store(file, Attributes(11, 1_000_000.0, "tag", {"CacheKey": "k", "": "x"}), write)
    assert file.read_text() == "NEW content"
    assert file.stat().st_mtime == 1_000_000
    assert (tmp_path / "metadata.json").read_text() == '{"cachekey":"k"}'
    assert sorted(os.listdir(tmp_path)) == ["cache.zip", "metadata.json", REMOTE_FILE]


def test_half_an_archive_is_none(tmp_path: Path) -> None:
    """A failure leaves what was there, and nothing else."""
    file = tmp_path / "cache.zip"
    file.write_text("old")

    def write(fd: int) -> None:
        write_fully(fd, b"half", 0)
        raise OSError(28, "No space left on device")

    with pytest.raises(ArchiveError, match="no space left on device"):
        store(file, Attributes(9, 0.0), write)
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["cache.zip"]


def test_up_to_date_by_time(tmp_path: Path) -> None:
    """Not older than the object; a missing archive never is."""
    file = tmp_path / "cache.zip"
    assert not is_up_to_date(file, Attributes(1, 0.0))
    file.write_text("x")
    os.utime(file, (0, 1000))
    found = [is_up_to_date(file, Attributes(1, modified)) for modified in (999.0, 1000.0, 1001.0)]
    assert found == [True, True, False]


def test_up_to_date_by_etag(tmp_path: Path) -> None:
    """The very object that was stored from here, however late; no longer once the archive is another."""
    file = tmp_path / "cache.zip"
    file.write_text("x")
    os.utime(file, (0, 1000))
    record_etag(file, file.stat(), '"abc"')
    assert is_up_to_date(file, Attributes(1, 2000.0, '"abc"'))
    assert not is_up_to_date(file, Attributes(1, 2000.0, '"def"'))
    assert not is_up_to_date(file, Attributes(1, 2000.0))
    os.utime(file, (0, 1001))
    assert not is_up_to_date(file, Attributes(1, 2000.0, '"abc"'))


def test_a_late_etag_is_not_of_the_next_archive(tmp_path: Path) -> None:
    """While ours was sent, another writer has published: its archive is not the object."""
    file = tmp_path / "cache.zip"
    file.write_text("ours")
    ours = file.stat()
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "other").replace(file)
    record_etag(file, ours, '"abc"')
    assert recorded_etag(file) == ""


@pytest.mark.parametrize("text", ["", "[]", "null", '{"version": 1}', '{"version": 99, "etag": "x"}'])
def test_a_torn_record_is_none(tmp_path: Path, text: str) -> None:
    """It is only a help."""
    file = tmp_path / "cache.zip"
    file.write_text("x")
    (tmp_path / REMOTE_FILE).write_text(text)
    assert recorded_etag(file) == ""


def test_an_object_without_etag_is_not_recorded(tmp_path: Path) -> None:
    """Nothing could be told by it."""
    file = tmp_path / "cache.zip"
    file.write_text("x")
    record_etag(file, file.stat(), "")
    assert os.listdir(tmp_path) == ["cache.zip"]
