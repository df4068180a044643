"""How text becomes bytes of the trace, and what counts as white space there."""

from __future__ import annotations

from typing import Final

#: What is trimmed from masked values and token prefixes: the White_Space characters of Unicode, which
#: is less than ``str.strip`` takes by itself (U+001C to U+001F stay).
WHITE_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def to_bytes(text: str) -> bytes:
    """Return ``text`` as UTF-8; bytes smuggled in by ``surrogateescape`` come back as they were.

    A lone surrogate of any other kind, which JSON can bring, becomes U+FFFD.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return whole.encode("utf-8")
