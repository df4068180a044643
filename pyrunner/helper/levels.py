"""Compression levels by name, and the codecs behind them (job-execution.md 7.4).

Deflate comes from isal where its wheel is installed (several times as fast as zlib at about the same size
for the lower levels), else from zlib; both release the interpreter lock, so blocks are packed in parallel.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

_fast: Any = None
with suppress(ImportError):  # a platform without a wheel
    from isal import isal_zlib as _fast

_log = logging.getLogger(__name__)

#: Name → level of deflate; 0 stores.
_DEFLATE: Final = {"fastest": 0, "fast": 1, "default": 5, "slow": 7, "slowest": 9}
#: Name → level of Zstandard.
_ZSTD: Final = {"fastest": 1, "fast": 1, "default": 3, "slow": 7, "slowest": 11}
#: Deflate level → that of isal with about the same size; above these only zlib packs tightly enough.
_ISAL: Final = {1: 1, 5: 2}


def known_level(name: str) -> str:
    """Return the level's name, ``default`` with a warning when there is no such."""
    if not name:
        return "default"
    if name not in _DEFLATE:
        _log.warning('compression level "%s" is invalid, falling back to default', name)
        return "default"
    return name


def zstd_level(name: str) -> int:
    """Return the Zstandard level of a known name."""
    return _ZSTD[name]


def deflater(name: str) -> Callable[[bytes, bool], bytes] | None:
    """Return what packs a block as raw deflate, told whether it is the last; None when nothing is packed."""
    level = _DEFLATE[name]
    if not level:
        return None
    codec: Any = zlib
    if _fast is not None and level in _ISAL:
        codec, level = _fast, _ISAL[level]

    def pack(block: bytes, last: bool) -> bytes:
        packer = codec.compressobj(level, zlib.DEFLATED, -15)
        packed: bytes = packer.compress(block)
        # A block that is not the last ends on a byte, so that the next, packed apart, can follow it.
        tail: bytes = packer.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
        return packed + tail

    return pack


def inflater() -> Any:
    """Return a decompressor of raw deflate."""
    return (zlib if _fast is None else _fast).decompressobj(-15)


def checksum(block: bytes, value: int = 0) -> int:
    """Return the CRC-32 of ``block`` appended to what ``value`` is of."""
    result: int = (zlib if _fast is None else _fast).crc32(block, value)
    return result
