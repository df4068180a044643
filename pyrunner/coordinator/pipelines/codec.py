"""Planned jobs and events as JSON, so that a database keeps them over a restart.

The classes of the compiler say by their type hints how to read them back. Positions inside the
keywords of a job are not kept: all there is to find fault with has been found.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import types
import typing
from typing import Any, TypeVar, Union, cast

from pyrunner.ci.tree import Map, Position, as_text, planted

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Return a value of the compiler as JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Map):
        return {"position": list(value.position), "items": _items(value)}
    if isinstance(value, collections.abc.Mapping):
        return _items(value)
    if isinstance(value, list | tuple):
        return [to_plain(one) for one in value]
    return value


def _items(value: collections.abc.Mapping[Any, Any]) -> dict[str, Any]:
    return {as_text(key): _below(item) for key, item in value.items()}


def _below(value: Any) -> Any:
    """Return what stands inside a mapping: trees lose their positions there."""
    if isinstance(value, collections.abc.Mapping):
        return _items(value)
    if isinstance(value, list | tuple):
        return [_below(one) for one in value]
    return to_plain(value)


def from_plain(cls: type[T], value: Any) -> T:
    """Return an object of the compiler from what :func:`to_plain` made of it."""
    return cast("T", _convert(cls, value))


def _convert(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return _convert(next(one for one in typing.get_args(hint) if one is not type(None)), value)
    if hint is Map:
        return planted(value["items"], Position(*value["position"]))
    if hint is Position:
        return Position(*value)
    if origin is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, one) for one in value)
    if origin in (dict, collections.abc.Mapping):
        item = typing.get_args(hint)[1]
        return {key: _convert(item, one) for key, one in value.items()}
    if dataclasses.is_dataclass(hint):
        hints = _hints(cast("Any", hint))
        return cast("Any", hint)(**{name: _convert(hints[name], one) for name, one in value.items()})
    if hint is Any and isinstance(value, dict) and set(value) == {"position", "items"}:
        return planted(value["items"], Position(*value["position"]))
    return value


@functools.cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(cls)
