"""Archives made to fill a disk, or to be read as something else: refused by name, with nothing left (R8).

All are made on the fly and are small; where a limit counts, nothing of the archive is written before.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from pyrunner.errors import ArchiveError
from pyrunner.helper.archives import extract_archive
from pyrunner.helper.limits import Limits
from pyrunner.helper.tarformat import HEADER, header, padding
from tests.support.archive_trees import FILE, LINK, Member, build_tar, build_zip, zip_around

TEN_GIB = 10 << 30
MIB = 1 << 20


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """The folder to unpack into."""
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside"


def refuse(archive: bytes, inside: Path, text: str, limits: Limits | None = None) -> None:
    """Expect an error with ``text``, and nothing in or beside the folder."""
    path = inside.parent / "archive"
    path.write_bytes(archive)
    with pytest.raises(ArchiveError, match=text):
        extract_archive(str(path), str(inside), limits)
    assert os.listdir(inside) == []
    assert sorted(os.listdir(inside.parent)) == ["archive", "inside"]


def zeros(size: int) -> bytes:
    """Return ``size`` bytes of zeros as raw deflate, without packing them all."""
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = machine.compress(bytes(MIB)) + machine.flush(zlib.Z_FULL_FLUSH)
    return first * (size // MIB) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def zero_frames(size: int) -> bytes:
    """Return ``size`` bytes of zeros as Zstandard frames."""
    return zstandard.compress(bytes(64 * MIB)) * (size // (64 * MIB))


def tar(*parts: bytes) -> bytes:
    """Return an archive of these blocks."""
    return zstandard.compress(b"".join(parts) + bytes(1024))


def test_ten_gibibytes_of_zeros_in_a_zip(inside: Path) -> None:
    """Ten megabytes that announce ten gibibytes are more than 500 times their size."""
    refuse(zip_around(zeros(TEN_GIB), b"zeros", 0, TEN_GIB), inside, "'zeros': .* more than 500 times")


def test_zeros_that_announce_less_than_they_are(inside: Path) -> None:
    """Unpacking ends at what the directory says."""
    data = zeros(TEN_GIB)
    refuse(zip_around(data, b"liar", len(data), MIB), inside, "'liar': larger than the directory says")


def test_zeros_by_zstandard_in_a_zip(inside: Path) -> None:
    """Zstandard packs tighter still; what it unpacks to is held in pieces."""
    data = zero_frames(TEN_GIB)
    archive = zip_around(data, b"zeros", len(data), TEN_GIB, method=93)
    refuse(archive, inside, "'zeros': .* more than 500 times")
    archive = zip_around(data, b"liar", len(data), MIB, method=93)
    refuse(archive, inside, "'liar': larger than the directory says")


def test_ten_gibibytes_of_zeros_in_a_tar(inside: Path) -> None:
    """A tar says how large a file is before it comes."""
    head = zstandard.compress(header(b"0", b"zeros", 0o644, 0, 0, TEN_GIB, 0))
    refuse(head + zero_frames(TEN_GIB), inside, "'zeros': .* more than 500 times")


def test_more_than_the_disk_has_room_for(inside: Path) -> None:
    """Without a limit in bytes, free space is one."""
    room = os.statvfs(inside)
    more = room.f_blocks * room.f_frsize + MIB
    head = header(b"0", b"huge", 0o644, 0, 0, more, 0)
    refuse(tar(head), inside, "'huge': .*free space", Limits(ratio=0))
    refuse(zip_around(b"", b"huge", 0, more), inside, "'huge': .*free space", Limits(ratio=0))


def test_five_million_entries_in_a_zip(inside: Path) -> None:
    """Refused by the number that is announced; the file is a hole of 230 MB."""
    count = 5_000_000
    path = inside.parent / "archive"
    with path.open("wb") as file:
        place = file.truncate(46 * count)
        file.seek(place)
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, place, 0))
        file.write(struct.pack("<4sLQL", b"PK\6\7", 0, place, 1))
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0))
    with pytest.raises(ArchiveError, match="5000000 entries, more than 2000000"):
        extract_archive(str(path), str(inside))
    assert os.listdir(inside) == []


def test_entries_without_end_in_a_tar(inside: Path) -> None:
    """Counted as they come; headers that only describe others count, too."""
    block = zstandard.compress(header(b"0", b"same", 0o644, 0, 0, 0, 0) * 100)
    refuse(block * 1000, inside, "'same': more than 5000 entries", Limits(entries=5000))
    long = b"a/../" * 20
    extension = zstandard.compress((header(b"L", b"more", 0, 0, 0, 100, 0) + long + padding(100)) * 100)
    refuse(extension * 1000, inside, "more than 5000 entries", Limits(entries=5000))


def test_an_archive_in_an_archive_stays_one(inside: Path) -> None:
    """A quine unpacks to itself for ever, for who unpacks what is unpacked: we do not."""
    nested = inside.parent / "nested"
    build_zip(nested, [("inner.zip", FILE, zip_around(zeros(TEN_GIB), b"zeros", 0, TEN_GIB))])
    extract_archive(str(nested), str(inside))
    assert os.listdir(inside) == ["inner.zip"]


BOTH = pytest.mark.parametrize("build", [build_zip, build_tar])


@BOTH
@pytest.mark.parametrize(
    ("member", "text"),
    [
        (("/etc/evil", FILE, b""), "'/etc/evil': not a path"),
        (("a/../../evil", FILE, b""), "cannot be extracted outside"),
        (("..", FILE, b""), "'..': cannot be extracted outside"),
        (("a/..", LINK, b"x"), "'a/..': cannot be extracted outside"),
        (("x" * 256, FILE, b""), "'x+': file name too long"),
        (("y/" * 2100 + "y", FILE, b""), "'y/.*': not a path"),
        (("odd", stat.S_IFCHR | 0o666, b""), "'odd': devices, pipes and sockets"),
        (("odd", stat.S_IFBLK | 0o666, b""), "'odd': devices, pipes and sockets"),
        (("odd", stat.S_IFIFO | 0o666, b""), "'odd': devices, pipes and sockets"),
        (("link", LINK, b"t" * 5000), "'link': not a link"),
        (("link", LINK, b""), "'link': not a link"),
        (("./", FILE, b""), None),
    ],
    ids=lambda one: str(one)[:20],
)
def test_names_and_kinds(
    inside: Path, build: Callable[[Path, list[Member]], None], member: Member, text: str | None
) -> None:
    """What leads elsewhere, or is no file, folder or link; files that came before are not left."""
    path = inside.parent / "made"
    build(path, [("before", FILE, b"1"), member])
    archive = path.read_bytes()
    path.unlink()
    if text is not None:
        refuse(archive, inside, text)


def test_names_with_nul(inside: Path) -> None:
    """A name ends where it is said to end, not at a NUL."""
    refuse(zip_around(b"", b"a\0b", 0, 0), inside, r"'a\\x00b': not a path")
    record = b"14 path=a\0b/c\n"
    extension = header(b"x", b"pax", 0, 0, 0, len(record), 0) + record + padding(len(record))
    refuse(tar(extension, header(b"0", b"n", 0, 0, 0, 0, 0)), inside, r"'a\\x00b/c': not a path")


@BOTH
def test_names_that_differ_by_case_are_different(
    inside: Path, build: Callable[[Path, list[Member]], None]
) -> None:
    """A link ``Door`` is no door for what lies below ``door``."""
    build(
        inside.parent / "archive",
        [("Door", LINK, b"/etc"), ("door/file", FILE, b"1"), ("..\\up", FILE, b"2"), ("C:\\x", FILE, b"")],
    )
    extract_archive(str(inside.parent / "archive"), str(inside))
    assert sorted(os.listdir(inside)) == ["..\\up", "C:\\x", "Door", "door"]
    assert (inside / "door/file").read_bytes() == b"1"


@BOTH
def test_setuid_and_the_rest_are_dropped(inside: Path, build: Callable[[Path, list[Member]], None]) -> None:
    """Neither setuid, setgid nor sticky survives, for files and folders."""
    members = [("tool", stat.S_IFREG | 0o7755, b"#!"), ("folder", stat.S_IFDIR | 0o7755, b"")]
    build(inside.parent / "archive", members)
    extract_archive(str(inside.parent / "archive"), str(inside))
    assert {stat.S_IMODE(one.stat().st_mode) for one in inside.iterdir()} == {0o755}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@BOTH
def test_of_two_with_one_name_the_later_stays(
    inside: Path, build: Callable[[Path, list[Member]], None]
) -> None:
    """A file, then a link of its name, then a file again: nothing is written through the link."""
    members = [("x", FILE, b"first"), ("x", LINK, b"/etc/passwd"), ("x", FILE, b"last")]
    build(inside.parent / "archive", members)
    extract_archive(str(inside.parent / "archive"), str(inside))
    assert not (inside / "x").is_symlink()
    assert (inside / "x").read_bytes() == b"last"


@pytest.mark.parametrize(
    ("archive", "text"),
    [
        (zip_around(b"", b"far", 0, 5, offset=2**62), "'far': the archive ends too early"),
        (zip_around(b"", b"wide", 2**63, 5), "'wide': entries of the archive overlap"),
        (zip_around(b"x", b"off", 1, 1, method=0, offset=7), "'off': no data where"),
        (zip_around(b"x", b"sum", 1, 1, method=0, crc=1), "'sum': zip: checksum error"),
        (zip_around(b"x", b"more", 1, 2, method=0), "'more': zip: checksum error"),
        (zip_around(b"x", b"lzma", 1, 1, method=14), "'lzma': zip: unsupported compression algorithm 14"),
        (zip_around(b"\xff" * 9, b"noise", 9, 1), "'noise': "),
        (zip_around(b"\xff" * 9, b"noise", 9, 1, method=93), "'noise': "),
    ],
    ids=["offset", "packed", "place", "crc", "size", "method", "deflate", "zstandard"],
)
def test_what_a_zip_lies_about(inside: Path, archive: bytes, text: str) -> None:
    """Directory, local header and data contradict one another."""
    refuse(archive, inside, text)


@pytest.mark.parametrize("cut", [0, 3, 21, 40])
def test_directories_that_are_none(inside: Path, cut: int) -> None:
    """Ends that point nowhere, wide and narrow ones."""
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, 46 * 9, 5, 0)
    refuse(end[:cut] + end[cut:].replace(b"\5\6", b"\5\7"), inside, "zip: not a valid zip file")
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 2**40, 2**40, 2**50, 2**60)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, cut, 1)
    most = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    refuse(wide + locator + most, inside, "not a valid zip file|ends too early")


def pax(*records: bytes) -> bytes:
    """Return an extension with these records."""
    data = b""
    for record in records:
        length = len(record) + 3
        while len(b"%d %b\n" % (length, record)) != length:
            length += 1
        data += b"%d %b\n" % (length, record)
    return header(b"x", b"pax", 0, 0, 0, len(data), 0) + data + padding(len(data))


PLAIN = header(b"0", b"plain", 0o644, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        ((header(b"S", b"holes", 0o644, 0, 0, 0, 0),), "'holes': a kind of entry that runners do not write"),
        ((header(b"1", b"hard", 0o644, 0, 0, 0, 0, b"plain"),), "'hard': a kind of entry"),
        ((header(b"M", b"volume", 0o644, 0, 0, 0, 0),), "'volume': a kind of entry"),
        ((pax(b"GNU.sparse.major=1"), PLAIN), "'pax': a kind of entry"),
        ((pax(b"path=../up"), PLAIN), r"'\.\./up': cannot be extracted outside"),
        ((pax(b"path=/abs"), PLAIN), "'/abs': not a path"),
        ((pax(b"size=-1"), PLAIN), "'plain': a size that is no number"),
        ((pax(b"size=" + b"9" * 19), PLAIN), "'plain': "),
        ((pax(b"mtime=nan"), PLAIN), "'plain': an mtime that is no number"),
        ((pax(b"mtime=1e999999999"), PLAIN), "'plain': an mtime that is no number"),
        ((header(b"x", b"bad", 0, 0, 0, 5, 0), b"99 a=", padding(5)), "'bad': its header is broken"),
        ((header(b"x", b"long", 0, 0, 0, 2 * MIB, 0),), "'long': a header of 2097152 bytes"),
        ((header(b"L", b"long", 0, 0, 0, 1 << 40, 0),), "'long': a header of 1099511627776 bytes"),
        ((PLAIN[:148] + b"0000001\0" + PLAIN[156:],), "'plain': its header is broken"),
        ((header(b"0", b"cut", 0o644, 0, 0, 5000, 0), b"x" * 512), "'cut': the archive ends too early"),
        ((pax(b"path=only"),), "the archive"),
    ],
)
def test_what_a_tar_lies_about(inside: Path, blocks: tuple[bytes, ...], text: str) -> None:
    """Sparse files, hard links, extensions that change what a header says."""
    if text == "the archive":
        blocks = (*blocks, b"garbage" * 73 + b"!")
        text = "'only': its header is broken"
    refuse(tar(*blocks), inside, text)


def test_a_negative_size_in_gnu_form(inside: Path) -> None:
    """Numbers too large for octal digits are binary, with a sign."""
    fields = list(HEADER.unpack(header(b"0", b"below", 0o644, 0, 0, 0, 0)))
    fields[4] = b"\xff" * 12
    fields[6] = b" " * 8
    fields[6] = b"%06o\0 " % sum(HEADER.pack(*fields))
    refuse(tar(HEADER.pack(*fields)), inside, "'below': a size of -1 bytes")


def test_what_python_and_gnu_write_for_odd_files_is_read(inside: Path) -> None:
    """Long names, large numbers and fractions in each dialect of tar."""
    name = "folder/" * 30 + "file"
    for dialect in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w", format=dialect) as file:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uid = 3, 2**33 + 5, 2**31 - 2
            file.addfile(info, io.BytesIO(b"abc"))
        (inside.parent / "archive").write_bytes(zstandard.compress(plain.getvalue()))
        extract_archive(str(inside.parent / "archive"), str(inside))
        status = (inside / name).stat()
        assert (status.st_size, status.st_mtime) == (3, 2**33 + 5)
