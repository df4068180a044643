"""Which record belongs to which archive, and what makes two trees equal (design.md 5)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyrunner.helper import fingerprint
from pyrunner.helper.fingerprint import FINGERPRINT_FILE, Fingerprint
from pyrunner.helper.inventory import Inventory, row


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A work tree with one file, and an archive beside it."""
    monkeypatch.chdir(tmp_path)
    Path("a").write_text("content")
    os.utime("a", ns=(0, 1_000_000_000))
    Path("cache.zip").write_text("archive")


def take(*paths: str, **options: object) -> Fingerprint:
    """Return the fingerprint of these paths."""
    inventory = Inventory()
    for one in paths or ("a",):
        inventory.add("", [row(one, os.lstat(one), None)], 0)
    return Fingerprint(inventory, options)


def test_equal_trees() -> None:
    """The same again."""
    assert take().matches(take().record())
    assert not take(level="fast").matches(take(level="slow").record())


@pytest.mark.parametrize(("recorded", "now", "expected"), [
    (1_000_000_500, 1_000_000_500, True),
    (1_000_000_500, 1_000_000_000, True),
    (1_000_000_500, 1_000_000_400, False),
    (1_000_000_000, 1_000_000_500, False),
    (1_999_999_999, 2_000_000_000, False),
    (-1, -1_000_000_000, True),
])  # fmt: skip
def test_an_archive_may_cut_fractions_of_times(recorded: int, now: int, expected: bool) -> None:
    """Whole seconds now count as equal to what they were cut from; other fractions do not."""
    os.utime("a", ns=(0, recorded))
    before = take().record()
    os.utime("a", ns=(0, now))
    assert take().matches(before) is expected


def test_names_do_not_run_into_one_another() -> None:
    """A name may hold anything but a slash and NUL."""
    Path("x\n").write_text("")
    Path("x").write_text("")
    os.utime("x\n", ns=(0, 0))
    os.utime("x", ns=(0, 0))
    assert not take("x\n", "x").matches(take("x", "x\n").record())


def test_a_record_is_of_one_archive() -> None:
    """Another archive in its place, as by another writer or gitlab-runner, has none."""
    archive = Path("cache.zip")
    assert fingerprint.load(str(archive)) is None
    fingerprint.store(str(archive), archive.stat(), take().record())
    loaded = fingerprint.load(str(archive))
    assert loaded is not None
    assert take().matches(loaded)
    content = archive.read_bytes()
    status = archive.stat()
    archive.unlink()
    archive.write_bytes(content + b"!")
    os.utime(archive, ns=(0, status.st_mtime_ns))
    assert fingerprint.load(str(archive)) is None


def test_a_late_record_is_not_of_the_next_archive() -> None:
    """Another writer publishes between our archive and its record: ours says nothing about theirs."""
    archive = Path("cache.zip")
    ours = archive.stat()
    Path("other").write_text("theirs")
    Path("other").replace(archive)
    fingerprint.store(str(archive), ours, take().record())
    assert fingerprint.load(str(archive)) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"version": 2}', "4\n" * 10_000, "\0\xff"])
def test_a_record_that_is_none(content: str) -> None:
    """Whatever is there: as if nothing were."""
    Path(FINGERPRINT_FILE).write_text(content)
    assert fingerprint.load("cache.zip") is None
