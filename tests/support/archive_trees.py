"""Trees to archive, what an archive has to keep of them, and archives made to harm."""

from __future__ import annotations

import io
import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import zstandard

from pyrunner.helper.archives import archive_pieces
from pyrunner.helper.collect import Collection
from pyrunner.helper.entries import BLOCK

#: Name, mode with kind, content; of a link its target.
Member = tuple[str, int, bytes]

FILE = stat.S_IFREG | 0o644
LINK = stat.S_IFLNK | 0o777
FOLDER = stat.S_IFDIR | 0o755


def describe(folder: Path, fractions: bool = False) -> dict[str, object]:
    """Return all that an archive has to keep of a tree; times by the second, or as they are."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content: object = None
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = path.read_bytes()
        time = status.st_mtime_ns if fractions else status.st_mtime_ns // 10**9
        found[str(path.relative_to(folder))] = (
            status.st_mode, time, status.st_uid, status.st_gid, content,
        )  # fmt: skip
    return found


def pack(folder: Path, archive: Path, form: str, level: str = "default") -> None:
    """Archive all of ``folder``."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        collection = Collection()
        collection.collect(["."])
        with archive.open("wb") as file:
            file.writelines(archive_pieces(form, collection.entries(), level))
    finally:
        os.chdir(before)


def fill(folder: Path) -> None:
    """Make a tree with everything that archives are asked to keep."""
    (folder / "sub/deep").mkdir(parents=True)
    (folder / "sub/empty").mkdir()
    (folder / "sub/tool").write_bytes(b"#!/bin/sh\n")
    (folder / "sub/tool").chmod(0o751)
    (folder / "naïve ☃ name").write_bytes(b"x" * 100)
    (folder / os.fsdecode(b"latin\xe9")).write_bytes(b"old")
    long = folder / "/".join(["a-folder-with-a-long-name"] * 6)
    long.mkdir(parents=True)
    (long / ("n" * 200)).write_bytes(b"deep down")
    (folder / "long link").symlink_to("somewhere/" * 20)
    (folder / "nothing").write_bytes(b"")
    (folder / "exact").write_bytes(b"ab" * (BLOCK // 2))
    (folder / "large").write_bytes(os.urandom(BLOCK + 7) + b"\0" * (3 * BLOCK))
    (folder / "link").symlink_to("sub/tool")
    (folder / "dangling").symlink_to("/nowhere/at/all")
    os.utime(folder / "sub/tool", (1, 981158400))
    os.utime(folder / "nothing", ns=(1, 981158400_123456789))
    (folder / "sub/empty").chmod(0o700)
    os.utime(folder / "sub", (1, 1000000000))


def plant(folder: Path, tree: Any) -> None:
    """Make a generated tree: folders are dictionaries, files bytes, links a tuple with their target."""
    if not isinstance(tree, dict):
        tree = {b"only": tree}
    for name, value in tree.items():
        path = folder / os.fsdecode(name)
        if isinstance(value, dict):
            path.mkdir()
            plant(path, value)
        elif isinstance(value, tuple):
            path.symlink_to(os.fsdecode(value[1]))
        else:
            path.write_bytes(value)
            path.chmod(0o600 + len(value) % 0o200)
            os.utime(path, ns=(0, 1_600_000_000_000_000_000 + len(value) * 1_000_000_007))


def build_zip(archive: Path, members: list[Member]) -> None:
    """Write a zip with the given modes and names."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, mode, content in members:
            info = zipfile.ZipInfo("x")
            info.filename = name  # zipfile itself would mend it
            info.create_system = 3
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, content)


def build_tar(archive: Path, members: list[Member]) -> None:
    """Write a tarzstd with the given modes and names."""
    types = {
        stat.S_IFREG: b"0", stat.S_IFLNK: b"2", stat.S_IFDIR: b"5", stat.S_IFCHR: b"3", stat.S_IFBLK: b"4",
        stat.S_IFIFO: b"6",
    }  # fmt: skip
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, mode, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = types[stat.S_IFMT(mode)], stat.S_IMODE(mode)
            if info.issym():
                info.linkname = content.decode()
                tar.addfile(info)
            else:
                info.size = len(content) if info.isreg() else 0
                tar.addfile(info, io.BytesIO(content))
    archive.write_bytes(zstandard.compress(plain.getvalue()))


def zip_around(
    data: bytes, name: bytes, packed: int, size: int, method: int = 8, crc: int = 0, offset: int = 0
) -> bytes:
    """Return a zip of one entry, its directory saying what it is told to."""
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, method, 0, 33, 0, 0, 0, len(name), 0) + name
    wide = struct.pack("<2H3Q", 1, 24, size, packed, offset)
    most = 0xFFFFFFFF
    line = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 45, 45, 0, method, 0, 33, crc, most, most, len(name), len(wide),
        0, 0, 0, FILE << 16, most,
    ) + name + wide  # fmt: skip
    place = len(local) + len(data)
    return local + data + line + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(line), place, 0)
