"""Texts spelled as Go's standard library spells them, where messages have to match gitlab-runner's."""

from __future__ import annotations

from typing import Final

_SHORT: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}

#: What does not print, and does no harm.
_KEPT: Final = "\t"


def quoted(text: str) -> str:
    """Return ``text`` as Go's ``%q`` prints it: in double quotes, with escapes for what does not print."""
    return '"' + "".join(_quoted_character(one) for one in text) + '"'


def one_line(text: str) -> str:
    """Return ``text`` with escapes for what steers a terminal or ends a line: it forges no line of a log."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in _KEPT else _quoted_character(one) for one in text)


def _quoted_character(character: str) -> str:
    if (short := _SHORT.get(character)) is not None:
        return short
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
