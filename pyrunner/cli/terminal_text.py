"""Text that a job wrote, made harmless for a terminal: it may colour, and steer nothing else."""

from __future__ import annotations

import re
from typing import Final

_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")
#: Everything that steers: control sequences, strings such as window titles, two-character escapes.
_SEQUENCE: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\Z)|\x1b[ -/]*[0-~]?|\x9b[0-?]*[ -/]*[@-~]",
    re.DOTALL,
)
#: What is left of control characters, and what reorders a line.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
RESET: Final = "\x1b[0m"


def harmless(data: bytes, colours: bool) -> str:
    """Return a line for people.

    :param colours: keep them; a line that has some ends with a reset.
    """
    line = visible(data.decode("utf-8", "replace"), colours)
    return line + RESET if "\x1b" in line else line


def visible(text: str, colours: bool) -> str:
    """Return what of ``text`` may be written to a terminal: letters, and colours if wanted."""
    parts = []
    position = 0
    for match in _SEQUENCE.finditer(text):
        parts.append(_CONTROL.sub("", text[position : match.start()]))
        if colours and _COLOUR.fullmatch(match[0]):
            parts.append(match[0])
        position = match.end()
    parts.append(_CONTROL.sub("", text[position:]))
    return "".join(parts)
