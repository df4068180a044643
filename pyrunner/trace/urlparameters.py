"""Values of secret URL parameters are replaced (job-execution.md 6.5, URL parameters)."""

from __future__ import annotations

import re
from typing import Final

from pyrunner.trace.phrases import MASK

_NAMES: Final = (
    b"private_token",
    b"authenticity_token",
    b"rss_token",
    b"x-amz-signature",
    b"x-amz-credential",
    b"x-amz-security-token",
)
_LONGEST: Final = max(len(name) for name in _NAMES)
# The class after the separator turns most URLs away without trying each name.
_PARAMETER: Final = re.compile(rb"[?&](?=[arpxARPX])(?:" + b"|".join(_NAMES) + rb")=", re.IGNORECASE)
# White space and control characters of Unicode, as UTF-8. Each begins with a byte that no character holds
# in its middle, so that looking for the bytes is looking for the characters.
_END: Final = re.compile(
    rb"[?&\x00-\x20\x7f]|\xc2[\x80-\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]|\xe2\x81\x9f|\xe3\x80\x80"
)
#: Beginnings of the characters above that a write may end with.
_PARTIAL_END: Final = (b"\xe1\x9a", b"\xe2\x80", b"\xe2\x81", b"\xe3\x80", b"\xc2", b"\xe1", b"\xe2", b"\xe3")


class UrlParameterMasker:
    """Replaces the values of secret URL parameters in a stream; names pass at once."""

    def __init__(self) -> None:
        #: The last separator and what follows it, when that may still become a parameter. Passed already.
        self._name = b""
        self._hiding = False
        #: The beginning of a character that may end the value.
        self._partial = b""

    def feed(self, data: bytes) -> bytes:
        """Take a write; return what is certain by now."""
        if not self._hiding and not self._name and b"?" not in data and b"&" not in data:
            return data
        text = (self._partial if self._hiding else self._name) + data
        passed = len(self._name)
        out: list[bytes] = []
        at = 0
        while True:
            if self._hiding:
                found = _END.search(text, at)
                if found is None:
                    self._partial = next((part for part in _PARTIAL_END if text.endswith(part)), b"")
                    self._name = b""
                    break
                out.append(MASK)
                at = passed = found.start()
                self._hiding = False
            found = _PARAMETER.search(text, at)
            if found is None:
                out.append(text[passed:])
                at = max(at, len(text) - _LONGEST - 1)
                at = max(text.rfind(b"?", at), text.rfind(b"&", at))
                self._name = text[at:] if at >= 0 else b""
                self._partial = b""
                break
            # The name ends with "=", which cannot have passed before: the match reaches into data.
            at = found.end()
            out.append(text[passed:at])
            self._hiding = True
        return b"".join(out)

    def close(self) -> bytes:
        """End a value that runs to the end of the stream; the masker can be used again from the start."""
        out = MASK if self._hiding else b""
        self._name = self._partial = b""
        self._hiding = False
        return out
