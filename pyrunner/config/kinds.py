"""Kinds of values that config.toml writes in one form and the model holds in another.

Each is the Python type of the model with a marker that :mod:`pyrunner.config.convert` acts on
(config-and-commands.md 1.2).
"""

from __future__ import annotations

from typing import Annotated, Final

DURATION: Final = "duration"
SIZE: Final = "size"
STRING_OR_LIST: Final = "string or list of strings"
STRING_OR_INTEGER: Final = "string or integer"

#: Seconds; in the file Go duration text, or an integer of nanoseconds.
Duration = Annotated[float, DURATION]
#: Bytes; in the file text with a unit (``"200GB"``), or an integer of bytes.
Size = Annotated[int, SIZE]
#: In the file one string or a list of strings.
StringOrList = Annotated[list[str], STRING_OR_LIST]
#: In the file a string or an integer.
StringOrInteger = Annotated[str, STRING_OR_INTEGER]
