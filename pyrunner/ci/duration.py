"""Durations as people write them in .gitlab-ci.yml (gitlab-ci-yml.md 3.2)."""

from __future__ import annotations

import re
from typing import Final

_DAY: Final = 86_400
_UNITS: Final = {
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), 1),
    **dict.fromkeys(("minute", "minutes", "min", "mins", "m"), 60),
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "h"), 3600),
    **dict.fromkeys(("day", "days", "d"), _DAY),
    **dict.fromkeys(("week", "weeks", "wk", "wks", "w"), 7 * _DAY),
    **dict.fromkeys(("month", "months", "mo", "mos"), 30 * _DAY),
    **dict.fromkeys(("year", "years", "yr", "yrs", "y"), 31_557_600),
}
_CLOCK: Final = re.compile(r"(?:(\d{1,6}):)?(\d{1,6}):(\d{1,6})")
_PART: Final = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([a-z]*)\s*")


def seconds(text: object) -> int | None:
    """Return a duration in seconds; None for what is none: zero, an unknown word, no text at all."""
    if not isinstance(text, str):
        return None
    if clock := _CLOCK.fullmatch(text.strip()):
        hours, minutes, rest = (int(part or 0) for part in clock.groups())
        return hours * 3600 + minutes * 60 + rest or None
    words = re.sub(r"\band\b|,", " ", text.lower()).strip()
    at, total = 0, 0.0
    while at < len(words):
        part = _PART.match(words, at)
        if part is None or (part[2] and part[2] not in _UNITS):
            return None
        total += float(part[1]) * _UNITS.get(part[2], 1)
        at = part.end()
    return int(total) or None
