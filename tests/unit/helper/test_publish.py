"""An archive comes to its place whole, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyrunner.errors import ArchiveError
from pyrunner.helper.archives import extract_archive
from pyrunner.helper.carry import carry
from tests.support.archive_trees import FILE, FOLDER, LINK, Member, build_tar, describe


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A tree with something in it."""
    (tmp_path / "place/kept").mkdir(parents=True)
    (tmp_path / "place/kept/old").write_text("old")
    (tmp_path / "place/kept").chmod(0o750)
    return tmp_path / "place"


def unpack(place: Path, *members: Member) -> None:
    """Unpack an archive of these."""
    build_tar(place.parent / "archive", list(members))
    extract_archive(str(place.parent / "archive"), str(place))


def test_folders_are_joined(place: Path) -> None:
    """What is there and not in the archive stays; a folder that the archive does not name keeps its mode."""
    unpack(place, ("kept/new", FILE, b"new"), ("fresh/a/b", FILE, b"1"), ("kept/link", LINK, b"old"))
    assert sorted(str(one.relative_to(place)) for one in place.rglob("*") if not one.is_dir()) == [
        "fresh/a/b", "kept/link", "kept/new", "kept/old",
    ]  # fmt: skip
    assert stat.S_IMODE((place / "kept").stat().st_mode) == 0o750
    assert not [one for one in os.listdir(place) if one.startswith(".")]


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (("kept", FILE, b"file"), "'kept': there is a folder in its place"),
        (("kept", LINK, b"x"), "'kept': there is a folder in its place"),
        (("kept/old", FOLDER, b""), "'kept/old': leads through a link or a file"),
        (("kept/old/deep", FILE, b""), "'kept/old': leads through a link or a file"),
    ],
)
def test_what_stands_in_the_way_is_found_before_anything_moves(
    place: Path, member: Member, text: str
) -> None:
    """The tree is as it was."""
    before = describe(place, fractions=True)
    with pytest.raises(ArchiveError, match=text):
        unpack(place, ("another/file", FILE, b"1"), member)
    assert describe(place, fractions=True) == before


def test_leftovers_go(place: Path) -> None:
    """What somebody was unpacking when he was killed goes after a day; what is younger may be in use."""
    for name, age in (("old", 1), ("young", None)):
        folder = place / f".pyrunner-unpacking-{name}"
        (folder / "deep").mkdir(parents=True)
        if age is not None:
            os.utime(folder, (age, age))
    unpack(place, ("file", FILE, b""))
    assert sorted(os.listdir(place)) == [".pyrunner-unpacking-young", "file", "kept"]


def test_other_file_systems_get_copies(tmp_path: Path) -> None:
    """Renaming ends at a mount; bytes, mode and time of a copy are the same, and links stay links."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "file").write_bytes(os.urandom(3_000_000))
    (source / "file").chmod(0o751)
    os.utime(source / "file", ns=(5, 1_000_000_123))
    (source / "link").symlink_to("file")
    (target / "file").write_text("was there")
    folders = [os.open(one, os.O_RDONLY | os.O_DIRECTORY) for one in (source, target)]
    try:
        for name in ("file", "link"):
            carry(name, *folders)
        with pytest.raises(FileNotFoundError):
            carry("missing", *folders)
    finally:
        for fd in folders:
            os.close(fd)
    assert describe(target, fractions=True) == describe(source, fractions=True)


def test_a_mounted_folder_is_filled(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be renamed, as into a volume, all arrives by copies."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    rename = os.rename

    def only_beside(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        (rename if src_dir_fd == dst_dir_fd else refused)(
            source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd
        )

    monkeypatch.setattr("pyrunner.helper.publish.os.rename", only_beside)
    unpack(place, ("fresh/a/b", FILE, b"1"), ("kept/new", FILE, b"2"), ("fresh", FOLDER, b""))
    assert (place / "fresh/a/b").read_bytes() == b"1"
    assert (place / "kept/new").read_bytes() == b"2"
    assert sorted(os.listdir(place)) == ["fresh", "kept"]
