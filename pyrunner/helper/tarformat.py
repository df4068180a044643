"""The headers of tar archives: POSIX ustar with pax records; GNU's long names and numbers are read, too."""

from __future__ import annotations

import struct
import zlib
from typing import Final

BLOCK: Final = 512
FILE_TYPE: Final = b"0"
LINK_TYPE: Final = b"2"
FOLDER_TYPE: Final = b"5"

#: name, mode, uid, gid, size, mtime, checksum, type, link, magic, user, group, major, minor, prefix.
HEADER: Final = struct.Struct("<100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_NO_CHECKSUM: Final = b" " * 8
_MAGIC: Final = b"ustar\x0000"
_SECOND: Final = 10**9


def header(
    kind: bytes, name: bytes, mode: int, uid: int, gid: int, size: int, mtime_ns: int, target: bytes = b""
) -> bytes:
    """Return the header of an entry, led by pax records where the plain fields cannot hold it.

    :param target: of a link.
    """
    records = b""
    seconds, fraction = divmod(mtime_ns, _SECOND)
    if fraction or not 0 <= seconds < 8**11:
        records += _record(b"mtime", _decimal(mtime_ns))
    short_name, prefix = _split(name)
    if len(short_name) > 100 or _needs_record(name):
        records += _record(b"path", name)
        short_name, prefix = name[-100:], b""
    if len(target) > 100 or _needs_record(target):
        records += _record(b"linkpath", target)
    for key, value, most in ((b"uid", uid, 8**7), (b"gid", gid, 8**7), (b"size", size, 8**11)):
        if value >= most:
            records += _record(key, b"%d" % value)
    lead = b""
    if records:
        lead = _plain(b"x", b"././@PaxHeader", 0o644, 0, 0, len(records), 0) + records + padding(len(records))
    return lead + _plain(kind, short_name, mode, uid, gid, size, seconds, target[:100], prefix)


def padding(size: int) -> bytes:
    """Return what fills the last block."""
    return bytes(-size % BLOCK)


def header_checksum(block: bytes) -> int:
    """Return the sum that a header has to name."""
    return _sum(block[:148] + _NO_CHECKSUM + block[156:])


def _sum(block: bytes) -> int:
    """Add up the bytes of a header."""
    if block.isascii():
        # The lower half of this checksum is the sum and 1 while that is less than 65521: 512 times 127 is.
        return (zlib.adler32(block) & 0xFFFF) - 1
    return sum(block)


def _plain(
    kind: bytes,
    name: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    seconds: int,
    target: bytes = b"",
    prefix: bytes = b"",
) -> bytes:
    fields = (
        name, b"%07o" % mode, b"%07o" % (uid if uid < 8**7 else 0), b"%07o" % (gid if gid < 8**7 else 0),
        b"%011o" % (size if size < 8**11 else 0), b"%011o" % (seconds if 0 <= seconds < 8**11 else 0),
    )  # fmt: skip
    rest = (kind, target, _MAGIC, b"", b"", b"%07o" % 0, b"%07o" % 0, prefix)
    block = HEADER.pack(*fields, _NO_CHECKSUM, *rest)
    return b"%b%06o\0 %b" % (block[:148], _sum(block), block[156:])


def _record(key: bytes, value: bytes) -> bytes:
    """Return a pax record, which begins with its own length."""
    body = b" %b=%b\n" % (key, value)
    length = len(body) + 1
    while len(b"%d" % length) + len(body) > length:
        length += 1
    return b"%d" % length + body


def _decimal(nanoseconds: int) -> bytes:
    seconds, fraction = divmod(abs(nanoseconds), _SECOND)
    sign = b"-" if nanoseconds < 0 else b""
    return sign + (b"%d.%09d" % (seconds, fraction)).rstrip(b"0").rstrip(b".")


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Return a name that is too long for its field in two parts; unchanged when that cannot be done."""
    if len(name) <= 100:
        return name, b""
    slash = name.find(b"/", len(name) - 101, 156)
    if slash <= 0 or slash == len(name) - 1:
        return name, b""
    return name[slash + 1 :], name[:slash]


def _needs_record(text: bytes) -> bool:
    """Tell whether plain fields do not do although they are long enough: records say that a name is UTF-8.

    Bytes that are no UTF-8 have no place in records; all readers take them from plain fields as they are.
    """
    if text.isascii():
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
