"""The trace is valid UTF-8: what is not becomes U+FFFD (job-execution.md 6.6, runner-api.md 5.2)."""

from __future__ import annotations

import re
from typing import Final

_ESCAPED: Final = re.compile("[\udc80-\udcff]")


class Utf8Sanitizer:
    """Replaces each byte that is not part of a character, however the stream is cut."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take a write; an unfinished character at its end is held back."""
        if self._held:
            data = self._held + data
            self._held = b""
        if data.isascii():
            return data
        held = _unfinished(data)
        if held:
            self._held = data[-held:]
            data = data[:-held]
        return _sanitize(data)

    def close(self) -> bytes:
        """Return what was held back, replaced."""
        held, self._held = self._held, b""
        return _sanitize(held)


def _sanitize(data: bytes) -> bytes:
    try:
        data.decode()
    except UnicodeDecodeError:
        # One escape a byte, so one replacement a byte; ``errors="replace"`` would take some together.
        text = data.decode("utf-8", "surrogateescape")
        return _ESCAPED.sub("\ufffd", text).encode()
    return data


def _unfinished(data: bytes) -> int:
    """Return how many bytes at the end may begin a character that is not complete."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return 0
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < length else 0
    return 0
