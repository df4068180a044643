"""JSON to dataclasses by the rules a Go runner decodes with (runner-api.md 0.4).

Keys match exactly, else without regard to case; unknown keys are ignored; ``null`` equals absent;
a wrong JSON type anywhere fails the whole body, with its path.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Any, TypeVar, Union

from pyrunner.errors import PayloadError

T = TypeVar("T")


def decode(cls: type[T], value: object, where: str = "") -> T:
    """Build ``cls`` (a dataclass whose fields all have defaults) from decoded JSON.

    :raises PayloadError: naming the JSON path of the first value of a wrong type.
    """
    if value is None:
        return cls()
    if not isinstance(value, dict):
        raise PayloadError(where, f"expected an object, got {_kind(value)}")
    folded: dict[str, str] = {}
    for key in value:
        folded.setdefault(str(key).casefold(), key)
    arguments: dict[str, Any] = {}
    for name, key, hint in _fields(typing.cast("Any", cls)):
        actual = key if key in value else folded.get(key.casefold())
        if actual is None or value[actual] is None:
            continue
        path = f"{where}.{key}" if where else key
        arguments[name] = _convert(hint, value[actual], path)
    return cls(**arguments)


@functools.cache
def _fields(cls: Any) -> tuple[tuple[str, str, Any], ...]:
    hints = typing.get_type_hints(cls)
    return tuple(
        (field.name, field.metadata.get("key", field.name), hints[field.name])
        for field in dataclasses.fields(cls)
        if field.init
    )


def _convert(hint: Any, value: object, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return _union(options, value, where)
    if value is None and origin in (list, tuple, dict):
        return origin()  # within a list or table: Go leaves the zero value
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise PayloadError(where, f"expected a list, got {_kind(value)}")
        item = typing.get_args(hint)[0]
        items = (_convert(item, one, f"{where}[{index}]") for index, one in enumerate(value))
        return origin(items)
    if origin is dict:
        if not isinstance(value, dict):
            raise PayloadError(where, f"expected an object, got {_kind(value)}")
        item = typing.get_args(hint)[1]
        return {str(key): _convert(item, one, f"{where}.{key}") for key, one in value.items()}
    return _scalar(hint, value, where)


def _union(options: list[Any], value: object, where: str) -> Any:
    errors: list[PayloadError] = []
    for option in options:
        try:
            return _convert(option, value, where)
        except PayloadError as error:
            errors.append(error)
    raise errors[0]


def _scalar(hint: Any, value: object, where: str) -> Any:
    if hint is Any or hint is object:
        return value
    if value is None:  # likewise
        return hint()
    if dataclasses.is_dataclass(hint):
        return decode(typing.cast("type[Any]", hint), value, where)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint is bool and isinstance(value, bool):
        return value
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if hint is str and isinstance(value, str):
        return value
    raise PayloadError(where, f"expected {_NAMES.get(hint, str(hint))}, got {_kind(value)}")


_NAMES: dict[Any, str] = {int: "an integer", str: "a string", bool: "a boolean", float: "a number"}


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "null"
    return _NAMES.get(type(value), type(value).__name__)
