"""Archives: packing and unpacking is the identity, and other programs read what we write (7.4, 8.2)."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrunner.errors import ArchiveError
from pyrunner.helper.archives import archive_pieces, extract_archive
from pyrunner.helper.collect import Collection
from pyrunner.helper.entries import BLOCK, Entries
from pyrunner.helper.inventory import FOLDER
from tests.support.archive_trees import describe, fill, pack, plant

EXTRACTABLE = ("zip", "zipzstd", "tarzstd")
LEVELS = ("fastest", "fast", "default", "slow", "slowest")


@pytest.mark.parametrize("form", EXTRACTABLE)
@pytest.mark.parametrize("level", LEVELS)
def test_unpacking_gives_back_the_tree(tmp_path: Path, form: str, level: str) -> None:
    """Names, modes, times, owners, links, empty folders and bytes survive in each format and level."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    fill(source)
    pack(source, tmp_path / "archive", form, level)
    extract_archive(str(tmp_path / "archive"), str(target))
    assert describe(target) == describe(source)


names = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0"), min_size=1, max_size=20)
    .map(str.encode),
    st.binary(min_size=1, max_size=20).filter(lambda name: not set(name) & set(b"/\0")),
).filter(lambda name: name not in (b".", b".."))  # fmt: skip
leaves = st.one_of(
    st.binary(max_size=2000),
    st.binary(min_size=1, max_size=9).filter(lambda name: b"\0" not in name).map(lambda name: ("link", name)),
)
trees = st.recursive(leaves, lambda children: st.dictionaries(names, children, max_size=4), max_leaves=12)


@settings(max_examples=60, deadline=None)
@given(tree=trees, form=st.sampled_from(EXTRACTABLE))
def test_any_tree_survives(tree: object, form: str) -> None:
    """Pack and unpack is the identity, whatever the tree: names are bytes, times as exact as the format."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        source.mkdir()
        target.mkdir()
        plant(source, tree)
        pack(source, Path(folder, "archive"), form)
        extract_archive(str(Path(folder, "archive")), str(target))
        exactly = form == "tarzstd"
        found, expected = describe(target, exactly), describe(source, exactly)
        assert found == expected


def read_by_zipfile(archive: Path, target: Path) -> None:
    """Read with Python's own module, which checks every CRC."""
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        file.extractall(target)


def read_by_unzip(archive: Path, target: Path) -> None:
    """Read with Info-ZIP."""
    if shutil.which("unzip") is None:
        pytest.skip("unzip is not installed")
    subprocess.run(["unzip", "-q", str(archive), "-d", str(target)], check=True)


def read_by_bsdtar(archive: Path, target: Path) -> None:
    """Read with libarchive."""
    if shutil.which("bsdtar") is None:
        pytest.skip("bsdtar is not installed")
    subprocess.run(["bsdtar", "-xf", str(archive), "-C", str(target)], check=True)


@pytest.mark.parametrize("read", [read_by_zipfile, read_by_unzip, read_by_bsdtar])
@pytest.mark.parametrize("level", ["fastest", "fast", "default", "slow"])
def test_others_read_our_zip(tmp_path: Path, level: str, read: Callable[[Path, Path], None]) -> None:
    """Independent readers find the same bytes."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    fill(source)
    (source / os.fsdecode(b"latin\xe9")).unlink()  # programs differ in what they make of it
    pack(source, tmp_path / "a.zip", "zip", level)
    read(tmp_path / "a.zip", target)
    for path in source.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert (target / path.relative_to(source)).read_bytes() == path.read_bytes()


def test_tarfile_reads_our_tarzstd(tmp_path: Path) -> None:
    """The tar within is an ordinary one."""
    source = tmp_path / "source"
    source.mkdir()
    fill(source)
    pack(source, tmp_path / "a.tar.zst", "tarzstd")
    with (tmp_path / "a.tar.zst").open("rb") as packed:
        plain = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        found = {one.name: one for one in tar}
    assert found["link"].linkname == "sub/tool"
    assert found["sub/tool"].mode == 0o751
    assert found["large"].size == 4 * BLOCK + 7


def test_a_zip_of_others_is_read(tmp_path: Path) -> None:
    """What Python's module wrote, without any extra field, is unpacked."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("dir/one", b"1" * 3_000_000)
        file.writestr("two", b"")
    target = tmp_path / "target"
    target.mkdir()
    extract_archive(str(tmp_path / "a.zip"), str(target))
    assert (target / "dir/one").read_bytes() == b"1" * 3_000_000
    assert (target / "two").read_bytes() == b""


def test_gzip_is_one_member_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports travel as gzip members in a row; the header names the file (8.2)."""
    monkeypatch.chdir(tmp_path)
    Path("b.xml").write_bytes(b"<b/>" * 500_000)
    Path("a.xml").write_bytes(b"")
    out = b"".join(archive_pieces("gzip", Entries({"a.xml": 0, "b.xml": 2_000_000}), "default"))
    assert gzip.decompress(out) == b"<b/>" * 500_000
    assert out[10:22] == b"a.xml\0a.xml\0"
    with pytest.raises(ArchiveError, match=r'"\." is not a regular file'):
        list(archive_pieces("gzip", Entries({".": FOLDER}), "default"))


def test_raw_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw takes exactly one file as it is."""
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(b"abc")
    assert b"".join(archive_pieces("raw", Entries({"a": 3}), "default")) == b"abc"
    with pytest.raises(ArchiveError, match="only one file can be sent as raw"):
        list(archive_pieces("raw", Entries({"a": 3, "b": 3}), "default"))


@pytest.mark.parametrize("form", EXTRACTABLE)
def test_what_vanished_or_became_a_link_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """A file replaced by a link after it was found is not read through the link (R8)."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    source = tmp_path / "source"
    source.mkdir()
    monkeypatch.chdir(source)
    for name in ("gone", "swapped", "stays"):
        Path(name).write_text(name)
    collection = Collection()
    collection.collect(["*"])
    Path("gone").unlink()
    Path("swapped").unlink()
    Path("swapped").symlink_to(secret)
    archive, target = tmp_path / "archive", tmp_path / "target"
    target.mkdir()
    with archive.open("wb") as file:
        file.writelines(archive_pieces(form, collection.entries(), "default"))
    extract_archive(str(archive), str(target))
    assert os.listdir(target) == ["stays"]


def test_setuid_does_not_survive(tmp_path: Path) -> None:
    """No archive plants a program that runs as another user (R8)."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "tool").write_text("")
    (source / "tool").chmod(0o6755)
    pack(source, tmp_path / "a.zip", "zip")
    extract_archive(str(tmp_path / "a.zip"), str(target))
    assert stat.S_IMODE((target / "tool").stat().st_mode) == 0o755


def test_a_pipe_is_no_archive(tmp_path: Path) -> None:
    """Nobody waits for who might write to it."""
    os.mkfifo(tmp_path / "cache.zip")
    (tmp_path / "target").mkdir()
    with pytest.raises(ArchiveError, match="not a regular file"):
        extract_archive(str(tmp_path / "cache.zip"), str(tmp_path / "target"))
