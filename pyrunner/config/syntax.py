"""TOML text to plain values, with line and column where it is no TOML (config-and-commands.md 1.2).

gitlab-runner reads TOML 1.1, the standard library 1.0. Text that tomllib refuses is given to tomli,
which reads 1.1 (multi-line inline tables, trailing commas in them, ``\\e`` and ``\\xHH``); what both
refuse is an error.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from pyrunner.errors import ConfigError

_PLACE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")
_BOM: Final = "\ufeff"


def decode_text(data: bytes, path: str = "") -> str:
    """Return the text of a TOML file, a byte order mark included.

    :raises ConfigError: when it is not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ConfigError("not UTF-8 text", path, line, column) from None


def parse_toml(text: str, path: str = "") -> dict[str, Any]:
    """Return the values of TOML 1.1 text.

    :raises ConfigError: naming line and column, when it is not TOML.
    """
    text = text.removeprefix(_BOM)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        first = error
    except RecursionError:
        raise ConfigError("tables or lists are nested too deeply", path) from None
    # Imported here: files that need TOML 1.1 are rare, and every command reads its configuration.
    try:
        import tomli
    except ImportError:
        raise _not_toml(str(first), text, path) from None
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise _not_toml(str(error) or str(first), text, path) from None


def _not_toml(message: str, text: str, path: str) -> ConfigError:
    match = _PLACE.search(message)
    if match is None:
        return ConfigError(message, path)
    message = message[: match.start()]
    if match[1]:
        return ConfigError(message, path, int(match[1]), int(match[2]))
    lines = text.split("\n")
    return ConfigError(f"{message} (the file ends here)", path, len(lines), len(lines[-1]) + 1)
