"""Hostile archives: none reaches beyond its folder, and each error names the entry (R8)."""

from __future__ import annotations

import os
import stat
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from pyrunner.errors import ArchiveError
from pyrunner.helper.archives import extract_archive
from pyrunner.helper.limits import Limits
from tests.support.archive_trees import FILE, FOLDER, LINK, Member, build_tar, build_zip

Build = Callable[[Path, list[Member]], None]


@pytest.fixture(params=[build_zip, build_tar])
def build(request: pytest.FixtureRequest) -> Build:
    """Both formats have the same wall."""
    made: Build = request.param
    return made


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """The folder to unpack into; nothing beside it may change."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("precious")
    return tmp_path / "inside"


def refuse(
    tmp_path: Path, build: Build, members: list[Member], text: str, limits: Limits | None = None
) -> None:
    """Expect an error with ``text`` and an untouched neighbour."""
    build(tmp_path / "archive", members)
    with pytest.raises(ArchiveError, match=text):
        extract_archive(str(tmp_path / "archive"), str(tmp_path / "inside"), limits)
    assert os.listdir(tmp_path / "outside") == ["file"]
    assert (tmp_path / "outside/file").read_text() == "precious"
    assert all(one.is_symlink() for one in (tmp_path / "inside").iterdir()), "half an archive is there"


@pytest.mark.parametrize("name", ["../outside/evil", "a/../../outside/evil", "a/..", "/tmp/evil-entry"])
def test_no_name_leads_outside(tmp_path: Path, inside: Path, build: Build, name: str) -> None:
    """Absolute names and ``..`` are refused by name."""
    refuse(tmp_path, build, [(name, FILE, b"evil")], "evil|a/\\.\\.")
    assert not Path("/tmp/evil-entry").exists()


def test_a_link_of_the_archive_is_no_door(tmp_path: Path, inside: Path, build: Build) -> None:
    """Link, then a file below the link's name: nothing is written through a link, of this archive or not."""
    members = [("door", LINK, b"../outside"), ("door/evil", FILE, b"evil")]
    refuse(tmp_path, build, members, "'door/evil': leads through a link")


def test_a_link_that_is_there_is_no_door(tmp_path: Path, inside: Path, build: Build) -> None:
    """A link that an earlier archive or job has left is not passed through."""
    (inside / "door").symlink_to(tmp_path / "outside")
    refuse(tmp_path, build, [("door/evil", FILE, b"evil")], "'door': leads through a link")
    refuse(tmp_path, build, [("door", FOLDER, b"")], "'door': leads through a link")


def test_links_are_replaced_not_written_through(tmp_path: Path, inside: Path, build: Build) -> None:
    """A file where a link stands takes the link's place."""
    (inside / "file").symlink_to(tmp_path / "outside/file")
    build(tmp_path / "archive", [("file", FILE, b"mine")])
    extract_archive(str(tmp_path / "archive"), str(inside))
    assert not (inside / "file").is_symlink()
    assert (inside / "file").read_text() == "mine"
    assert (tmp_path / "outside/file").read_text() == "precious"


def test_hard_links_are_not_written_through(tmp_path: Path, inside: Path, build: Build) -> None:
    """A file that shares its bytes with one outside is replaced."""
    os.link(tmp_path / "outside/file", inside / "file")
    build(tmp_path / "archive", [("file", FILE, b"mine")])
    extract_archive(str(tmp_path / "archive"), str(inside))
    assert (tmp_path / "outside/file").read_text() == "precious"


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFIFO])
def test_no_devices_or_pipes(tmp_path: Path, inside: Path, build: Build, kind: int) -> None:
    """What is no file, folder or link is refused."""
    refuse(tmp_path, build, [("odd", kind | 0o666, b"")], "'odd': devices, pipes and sockets")
    assert os.listdir(inside) == []


def test_bytes_entries_and_ratio_are_limited(tmp_path: Path, inside: Path, build: Build) -> None:
    """A bomb stops at the limit that it meets first."""
    zeros = b"\0" * 5_000_000
    refuse(tmp_path, build, [("bomb", FILE, zeros)], "'bomb': .*room", Limits(size=1_000_000))
    refuse(tmp_path, build, [("bomb", FILE, zeros)], "'bomb': .*times", Limits(ratio=50, ratio_from=1000))
    many = [(f"n{number}", FILE, b"") for number in range(20)]
    refuse(tmp_path, build, many, "more than 10", Limits(entries=10))


def test_entries_upon_one_another_are_a_bomb(tmp_path: Path, inside: Path) -> None:
    """Directory lines that share one stretch of data are refused before much is written."""
    build_zip(tmp_path / "plain", [("a", FILE, os.urandom(20_000))])
    data = (tmp_path / "plain").read_bytes()
    start = data.rfind(b"PK\1\2")
    end = data.rfind(b"PK\5\6")
    line, count = data[start:end], 50
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(line) * count, start, 0)
    (tmp_path / "archive").write_bytes(data[:start] + line * count + tail)
    with pytest.raises(ArchiveError, match="'a': entries of the archive overlap"):
        extract_archive(str(tmp_path / "archive"), str(inside))


@pytest.mark.parametrize("keep", [3, 40, -30])
def test_a_torn_archive_is_an_error(tmp_path: Path, inside: Path, build: Build, keep: int) -> None:
    """An archive cut anywhere is never taken for a whole one."""
    build(tmp_path / "whole", [("a", FILE, os.urandom(5000)), ("b", FILE, os.urandom(5000))])
    (tmp_path / "archive").write_bytes((tmp_path / "whole").read_bytes()[:keep])
    with pytest.raises(ArchiveError):
        extract_archive(str(tmp_path / "archive"), str(inside))


def test_long_tar_headers_are_refused(tmp_path: Path, inside: Path) -> None:
    """A header is read into memory: what announces a long one is refused before."""
    header = tarfile.TarInfo("long")
    header.type, header.size = b"x", 1 << 30
    (tmp_path / "archive").write_bytes(zstandard.compress(header.tobuf(tarfile.USTAR_FORMAT)))
    with pytest.raises(ArchiveError, match="'long': a header of 1073741824 bytes"):
        extract_archive(str(tmp_path / "archive"), str(inside))


def test_changed_bytes_are_found(tmp_path: Path, inside: Path) -> None:
    """Each file is checked against its checksum, and named."""
    build_zip(tmp_path / "archive", [("name", FILE, b"content" * 10)])
    data = bytearray((tmp_path / "archive").read_bytes())
    at = data.find(b"PK\1\2") + 16
    data[at] ^= 1
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(ArchiveError, match=r"'name': .*checksum"):
        extract_archive(str(tmp_path / "archive"), str(inside))


def test_gzip_is_not_extracted(tmp_path: Path, inside: Path) -> None:
    """A gzip file has no extractor (8.3)."""
    (tmp_path / "archive").write_bytes(b"\x1f\x8b\x08\0")
    with pytest.raises(ArchiveError, match="gzip"):
        extract_archive(str(tmp_path / "archive"), str(inside))
