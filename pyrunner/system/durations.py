"""Go duration text to and from seconds, as config.toml, logs and endpoints write it.

Source: config-and-commands.md 1.2 (``dur``) and 5 (duration text).
"""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final[dict[str, int]] = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # micro sign
    "μs": 1_000,  # Greek mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
#: The longest duration, in nanoseconds: a signed 64 bit integer.
_LIMIT: Final = 2**63 - 1

_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Return the seconds of Go duration text such as ``1h30m``, ``1.5s`` or ``-150ms``.

    :raises ValueError: for anything else: no unit, spaces, days, a value beyond 64 bits of nanoseconds.
    """
    return parse_nanoseconds(text) / 1e9


def parse_nanoseconds(text: str) -> int:
    """Return the whole nanoseconds of Go duration text.

    :raises ValueError: as :func:`parse_duration`.
    """
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    total = 0
    position = 0
    while True:
        match = _PART.match(rest, position)
        if match is None or not (match[1] or match[2]):
            raise ValueError(f'invalid duration "{text}" (write it like "90s", "15m0s" or "1h30m")')
        fraction = match[2] or ""
        scale: int = 10 ** len(fraction)
        total += int((match[1] or "0") + fraction) * _UNITS[match[3]] // scale
        position = match.end()
        if position == len(rest):
            break
    if total > _LIMIT + negative:
        raise ValueError(f'invalid duration "{text}": too long')
    return -total if negative else total


def format_duration(seconds: float) -> str:
    """Return Go's text for ``seconds``: ``1h0m0s``, ``1m2.5s``, ``150ms``, ``20µs``, ``0s``."""
    return format_nanoseconds(round(seconds * 1e9))


def format_nanoseconds(value: int) -> str:
    """Return Go's text for whole nanoseconds."""
    sign = "-" if value < 0 else ""
    value = abs(value)
    if value < 1_000_000_000:
        for unit in ("ms", "µs", "ns"):
            if value >= _UNITS[unit]:
                return f"{sign}{_decimal(value, _UNITS[unit])}{unit}"
        return "0s"
    minutes, rest = divmod(value, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, _UNITS['s'])}s"
    if hours:
        text = f"{hours}h{minutes}m{text}"
    elif minutes:
        text = f"{minutes}m{text}"
    return sign + text


def _decimal(value: int, unit: int) -> str:
    """Return ``value / unit`` with as many digits as are needed, without rounding."""
    whole, rest = divmod(value, unit)
    if not rest:
        return str(whole)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0")
