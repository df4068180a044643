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
#: Name → level of Zstandard. The library's own default, 3, takes half as much time again for 2 % of size.
_ZSTD: Final = {"fastest": 1, "fast": 1, "default": 2, "slow": 7, "slowest": 11}
#: Deflate level → that of isal with about the same size; above these only zlib packs tightly enough.
_ISAL: Final = {1: 1, 5: 2}
#: Frames are no longer, and every reader has so much memory.
_WINDOW: Final = 20

_POLYNOMIAL: Final = 0xEDB88320

#: Packs a block, told whether it is the last of its stream.
Pack = Callable[[bytes, bool], bytes]


def known_level(name: str) -> str:
    """Return the level's name, ``default`` with a warning when there is no such."""
    if not name:
        return "default"
    if name not in _DEFLATE:
        _log.warning('compression level "%s" is invalid, falling back to default', name)
        return "default"
    return name


def deflater(name: str) -> Pack | None:
    """Return what packs a block as raw deflate, told whether it is the last; None when nothing is packed."""
    level = _DEFLATE[name]
    if not level:
        return None
    codec: Any = zlib
    if _fast is not None and level in _ISAL:
        codec, level = _fast, _ISAL[level]

    def pack(block: bytes, last: bool) -> bytes:
        if last:
            whole: bytes = codec.compress(block, level, -15)
            return whole
        # What follows is packed apart: this block has to end on a byte.
        packer = codec.compressobj(level, zlib.DEFLATED, -15)
        packed: bytes = packer.compress(block)
        tail: bytes = packer.flush(zlib.Z_SYNC_FLUSH)
        return packed + tail

    return pack


def zstd_packer(name: str) -> Pack:
    """Return what packs a block as a Zstandard frame, for one thread."""
    import zstandard  # only where the format is chosen

    parameters = zstandard.ZstdCompressionParameters.from_level(_ZSTD[name], window_log=_WINDOW)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    return lambda block, _last: compressor.compress(block)


def inflater() -> Any:
    """Return a decompressor of raw deflate."""
    return (zlib if _fast is None else _fast).decompressobj(-15)


def checksum(block: bytes, value: int = 0) -> int:
    """Return the CRC-32 of ``block`` appended to what ``value`` is of."""
    result: int = (zlib if _fast is None else _fast).crc32(block, value)
    return result


def joined_checksum(first: int, second: int, size: int) -> int:
    """Return the CRC-32 of two stretches of data in a row.

    :param size: bytes of the second.
    """
    if _fast is not None:
        result: int = _fast.crc32_combine(first, second, size)
        return result
    # To append a zero bit is linear: a matrix, squared for twice as many bits.
    odd = [_POLYNOMIAL, *(1 << bit for bit in range(31))]
    even = _squared(odd)
    odd = _squared(even)
    while size:
        even = _squared(odd)
        if size & 1:
            first = _times(even, first)
        size >>= 1
        odd, even = even, odd
    return first ^ second


def _times(matrix: list[int], vector: int) -> int:
    total = 0
    for row in matrix:
        if vector & 1:
            total ^= row
        vector >>= 1
        if not vector:
            break
    return total


def _squared(matrix: list[int]) -> list[int]:
    return [_times(matrix, row) for row in matrix]
