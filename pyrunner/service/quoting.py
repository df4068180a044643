"""Words as a systemd unit takes them (systemd.service(5), "Command lines"; systemd.unit(5))."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from pyrunner.errors import UsageError

_PLAIN: Final = re.compile(r"[A-Za-z0-9_@+=:,./-]+\Z")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "%": "%%", "\t": "\\t"}


def command_line(words: Iterable[str]) -> str:
    """Return ``words`` as the value of ``ExecStart``: nothing in them is expanded.

    :raises UsageError: for a word that no unit can hold.
    """
    program, *arguments = words
    # The program's own path knows no variables, and a dollar sign there means itself.
    return " ".join([_quoted(program), *(_quoted(word, "$") for word in arguments)])


def setting(value: object) -> str:
    """Return the value of any other setting: specifiers (``%``) mean themselves.

    :raises UsageError: for text that no unit can hold.
    """
    text = _checked(str(value))
    return "".join({"\\": "\\\\", "%": "%%"}.get(character, character) for character in text)


def path_word(path: object) -> str:
    """Return a path for a setting that takes a list of them.

    :raises UsageError: for a path that no unit can hold.
    """
    return _quoted(str(path))


def _quoted(word: str, doubled: str = "") -> str:
    if _PLAIN.match(_checked(word)):
        return word
    escapes = {**_ESCAPES, **{one: one * 2 for one in doubled}}
    return '"' + "".join(escapes.get(character, character) for character in word) + '"'


def _checked(text: str) -> str:
    if any(character < " " and character != "\t" for character in text) or not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{text!r} cannot be written into a unit: it is not UTF-8") from None
        if any(character < " " for character in text):
            raise UsageError(f"{text!r} cannot be written into a unit: it holds control characters")
    return text
