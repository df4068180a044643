"""Words of a shell script, quoted so that arbitrary text arrives as it is (job-execution.md 5.4).

Two styles: ANSI-C ``$'…'`` for bash, busybox and ksh, and POSIX double quotes
(``FF_POSIXLY_CORRECT_ESCAPES``) for shells without it, such as dash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PLAIN: Final = frozenset((_LETTERS + ",-./@_").encode())
_ESCAPED: Final = {
    0x07: "\\a",
    0x08: "\\b",
    0x09: "\\t",
    0x0A: "\\n",
    0x0B: "\\v",
    0x0C: "\\f",
    0x0D: "\\r",
    0x27: "\\'",
    0x5C: "\\\\",
}
_ANSI_C: Final = [
    _ESCAPED.get(code) or (chr(code) if 0x20 <= code < 0x7F else f"\\x{code:02x}") for code in range(256)
]
_POSIX: Final = str.maketrans({"`": "\\`", '"': '\\"', "\\": "\\\\", "$": "\\$"})

#: Turns text into one word of a script.
Quote = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Expanded:
    """A word in which the shell replaces one variable: ``prefix``, ``$name``, ``rest``."""

    name: str
    rest: str = ""
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.prefix}${self.name}{self.rest}"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A variable of one command, ``KEY=value`` in front of it: never on a command line that others can read.

    :param key: of ours: a name that a shell takes.
    """

    key: str
    value: str


#: A word of a command: text to be taken as it is, or with one variable in it.
Word = str | Expanded | Assignment


def quote_ansi_c(text: str) -> str:
    """Return ``text`` as one word: plain where every character is harmless, else ``$'…'``."""
    data = encode(text)
    if not data:
        return "''"
    if _PLAIN.issuperset(data):
        return text
    return "$'" + "".join(map(_ANSI_C.__getitem__, data)) + "'"


def quote_posix(text: str) -> str:
    """Return ``text`` as one word: plain where every character is harmless, else in double quotes."""
    data = encode(text)
    if not data:
        return "''"
    if _PLAIN.issuperset(data):
        return text
    return double_quoted(data.decode())


def double_quoted(text: str) -> str:
    """Return ``text`` in double quotes, nothing in it expanded."""
    return f'"{text.translate(_POSIX)}"'


def quote_word(word: Word, quote: Quote) -> str:
    """Return a word of a command; the variable of an :class:`Expanded` one is replaced by the shell."""
    if isinstance(word, str):
        return quote(word)
    if isinstance(word, Assignment):
        return f"{word.key}={quote(word.value)}"
    return f'"{word.prefix.translate(_POSIX)}${{{word.name}}}{word.rest.translate(_POSIX)}"'


def encode(text: str) -> bytes:
    """Return the bytes of ``text``; half of a surrogate pair, which JSON can hold, becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
