"""The last line of a trace whose supervisor could not write one (job-execution.md 6.1, 6.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_STAMP: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [0-9a-f]{2}[OE][ +]")
_RED: Final = "\x1b[31;1m"
_RESET: Final = "\x1b[0;m"


def closing_line(begin: bytes, last: bytes, message: str, now: float) -> str:
    """Return the error line that goes behind a trace.

    :param begin: the trace's first bytes: they tell whether its lines are stamped.
    :param last: its last byte, empty for an empty trace.
    :param now: seconds since the epoch.
    """
    stamp = ""
    if _STAMP.match(begin):
        moment = datetime.fromtimestamp(now, UTC)
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z 00O "
    newline = "" if last in (b"", b"\n") else "\n"
    return f"{newline}{stamp}{_RED}ERROR: Job failed (system failure): {message}{_RESET}\n"
