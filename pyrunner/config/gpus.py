"""``gpus`` and ``service_gpus``: the syntax of ``docker run --gpus`` (docker-executor.md 9.3)."""

from __future__ import annotations

import csv
import re
from typing import Any, Final

from pyrunner.system.golang import quoted

_INTEGER: Final = re.compile(r"[+-]?[0-9]+\Z")
#: What the engine reads as every device there is.
ALL: Final = -1


def parse_gpus(text: str) -> list[dict[str, Any]]:
    """Return the device requests of the engine's API: ``all``, ``2``, ``"device=0,1",capabilities=utility``.

    White space alone asks for none.

    :raises ValueError: for anything that ``docker run --gpus`` refuses.
    """
    if not text.strip():
        return []
    try:
        return [_request(text)]
    except ValueError as error:
        raise ValueError(f"parsing gpus string {quoted(text)}: {error}") from None


def _request(text: str) -> dict[str, Any]:
    request: dict[str, Any] = {"Driver": "", "Count": 0, "Capabilities": [["gpu"]], "Options": {}}
    seen: set[str] = set()
    for field in _fields(text):
        key, separator, value = field.partition("=")
        if key in seen:
            raise ValueError(f"gpu request key '{key}' can be specified only once")
        seen.add(key)
        if not separator:
            seen.add("count")
            request["Count"] = _count(key)
        elif key == "count":
            request["Count"] = _count(value)
        elif key == "driver":
            request["Driver"] = value
        elif key == "device":
            request["DeviceIDs"] = value.split(",")
        elif key == "capabilities":
            request["Capabilities"] = [[*value.split(","), "gpu"]]
        elif key == "options":
            request["Options"] = _options(value)
        else:
            raise ValueError(f"unexpected key '{key}' in '{field}'")
    if "count" not in seen and "DeviceIDs" not in request:
        request["Count"] = 1
    return request


def _count(text: str) -> int:
    if text == "all":
        return ALL
    if not _INTEGER.match(text):
        raise ValueError(f'invalid count ({text}): value must be either "all" or an integer: invalid syntax')
    return int(text)


def _options(text: str) -> dict[str, str]:
    try:
        pairs = (field.partition("=") for field in _fields(text))
        return {key: value for key, _, value in pairs}
    except ValueError as error:
        raise ValueError(f"failed to read gpu options: {error}") from None


def _fields(text: str) -> list[str]:
    """Return the fields of the first line of comma separated values."""
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise ValueError(str(error)) from None
