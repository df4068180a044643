"""Sizes of ``[runners.tristan]`` such as ``"200GB"`` (tristan-layout.md 7), read and shown."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_SIZE: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgtp]?)(i?b|)\s*\Z", re.IGNORECASE | re.ASCII)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_size(text: str) -> int:
    """Return the bytes of ``text``: ``GB`` counts in thousands, ``GiB`` and a bare ``G`` in 1024s.

    :raises ValueError: when it is no size.
    """
    match = _SIZE.match(text)
    if match is None or (match[3].lower() == "ib" and not match[2]):
        raise ValueError(f'invalid size "{text}" (write it like "200GB", "50GiB" or "10g")')
    base = 1000 if match[2] and match[3].lower() == "b" else 1024
    return int(Decimal(match[1]) * base ** _POWERS[match[2].lower()])


def format_size(size: float) -> str:
    """Return ``size`` bytes for people, in thousands: ``1.5 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
