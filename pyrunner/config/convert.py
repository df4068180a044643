"""Plain TOML values to the model, strictly (config-and-commands.md 1.2).

Keys of a struct match exactly, else without regard to case; keys of a map keep their case. A value
of a wrong type is an error for the whole file; a key that nobody knows is only remembered.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final, TypeVar, Union, cast

from pyrunner.config.kinds import DURATION, SIZE, STRING_OR_INTEGER, STRING_OR_LIST
from pyrunner.config.sizes import parse_size
from pyrunner.system.durations import parse_duration

T = TypeVar("T")
Path = tuple[str | int, ...]

_INTEGER_LIMIT: Final = 2**63


class WrongValueError(Exception):
    """A value that its key does not take.

    :param path: keys as written in the file, and list indices.
    """

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclasses.dataclass(frozen=True)
class _Field:
    attribute: str
    kind: Any


def match_key(keys: Iterable[str], name: str) -> str | None:
    """Return the one of ``keys`` that stands for ``name``: itself, else one that differs in case."""
    folded = None
    for key in keys:
        if key == name:
            return key
        if folded is None and key.casefold() == name.casefold():
            folded = key
    return folded


class Converter:
    """Converts one file; collects the paths of unknown keys in :attr:`unknown`."""

    def __init__(self) -> None:
        self.unknown: list[Path] = []
        #: The keys that the table around each unknown one knows.
        self.known: dict[Path, tuple[str, ...]] = {}

    def struct(self, cls: type[T], value: object, path: Path = ()) -> T:
        """Build ``cls`` from a table.

        :raises WrongValueError: at the first value of a wrong type.
        """
        arguments = {
            field.attribute: self._value(field.kind, one, (*path, key))
            for field, key, one in self._matched(_fields(cast("Any", cls)), value, path)
        }
        return cls(**arguments)

    def _table(self, table: Mapping[str, Any], value: object, path: Path) -> dict[str, Any]:
        """Check a table that stays plain; its keys become those of ``table``."""
        fields = {name: _Field(name, kind) for name, kind in table.items()}
        return {
            field.attribute: self._value(field.kind, one, (*path, key))
            for field, key, one in self._matched(fields, value, path)
        }

    def _matched(
        self, fields: Mapping[str, _Field], value: object, path: Path
    ) -> Iterable[tuple[_Field, str, object]]:
        if not isinstance(value, dict):
            raise WrongValueError(path, f"expected a table, got {_kind(value)}")
        folded = {name.casefold(): name for name in fields}
        taken = {key for key in value if key in fields}
        for key, one in value.items():
            name = key if key in fields else folded.get(key.casefold())
            if name is None or (key != name and name in taken):
                self.unknown.append((*path, key))
                self.known[(*path, key)] = tuple(fields)
                continue
            taken.add(name)
            yield fields[name], key, one

    def _value(self, kind: Any, value: object, path: Path) -> Any:
        if isinstance(kind, dict):
            return self._table(kind, value, path)
        if isinstance(kind, list):
            return self._list(kind[0], value, path)
        if typing.get_origin(kind) is typing.Annotated:
            base, marker = typing.get_args(kind)
            return self._marked(marker, base, value, path)
        arguments = typing.get_args(kind)
        origin = typing.get_origin(kind)
        if origin in (Union, types.UnionType):
            return self._union([one for one in arguments if one is not type(None)], value, path)
        if origin is list:
            return self._list(arguments[0], value, path)
        if origin is dict:
            return self._map(arguments[1], value, path)
        if dataclasses.is_dataclass(kind):
            return self.struct(cast("type[Any]", kind), value, path)
        return _scalar(kind, value, path)

    def _union(self, kinds: list[Any], value: object, path: Path) -> Any:
        for kind in kinds[:-1]:
            try:
                return self._value(kind, value, path)
            except WrongValueError:
                continue
        try:
            return self._value(kinds[-1], value, path)
        except WrongValueError as error:
            if len(kinds) > 1 and error.path == path:
                names = " or ".join(_NAMES.get(typing.get_origin(kind) or kind, "") for kind in kinds)
                raise WrongValueError(path, f"expected {names}, got {_kind(value)}") from None
            raise

    def _list(self, kind: Any, value: object, path: Path) -> list[Any]:
        if not isinstance(value, list):
            name = ".".join(str(part) for part in path if isinstance(part, str))
            hint = f" (write its header as [[{name}]])" if isinstance(value, dict) else ""
            raise WrongValueError(path, f"expected a list, got {_kind(value)}{hint}")
        return [self._value(kind, one, (*path, index)) for index, one in enumerate(value)]

    def _map(self, kind: Any, value: object, path: Path) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise WrongValueError(path, f"expected a table, got {_kind(value)}")
        return {key: self._value(kind, one, (*path, key)) for key, one in value.items()}

    def _marked(self, marker: str, base: Any, value: object, path: Path) -> Any:
        if marker == STRING_OR_LIST:
            return [value] if isinstance(value, str) else self._value(base, value, path)
        if marker == STRING_OR_INTEGER:
            return (
                str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value, path)
            )
        if isinstance(value, str):
            return _measured(marker, value, path)
        number = _scalar(int, value, path, f"a {marker} as text or an integer")
        return number / 1e9 if marker == DURATION else number


def _measured(marker: str, text: str, path: Path) -> float | int:
    parse: Callable[[str], float | int] = parse_size if marker == SIZE else parse_duration
    try:
        return parse(text)
    except ValueError as error:
        raise WrongValueError(path, str(error)) from None


def _text(value: object, path: Path) -> str:
    return str(_scalar(str, value, path, "a string or an integer"))


def _scalar(kind: Any, value: object, path: Path, wanted: str = "") -> Any:
    if kind is Any:
        return _plain(value)
    if kind is datetime:
        return _time(value, path)
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if is_integer and not -_INTEGER_LIMIT <= cast("int", value) < _INTEGER_LIMIT:
        raise WrongValueError(path, "the number does not fit into 64 bits")
    if kind is float and (is_integer or isinstance(value, float)):
        return float(cast("float", value))
    if (kind is int and is_integer) or (kind in (str, bool) and isinstance(value, kind)):
        return value
    hint = ' (write it in quotes: "…")' if kind is str and isinstance(value, int | float) else ""
    raise WrongValueError(path, f"expected {wanted or _NAMES[kind]}, got {_kind(value)}{hint}")


def _time(value: object, path: Path) -> datetime:
    """Return a point in time; one without an offset is local, as in Go."""
    result = None
    if isinstance(value, datetime):
        result = value
    elif isinstance(value, date):
        result = datetime(value.year, value.month, value.day)
    elif isinstance(value, str):
        try:
            result = datetime.fromisoformat(value)
        except ValueError:
            raise WrongValueError(path, "expected a time such as 2026-01-02T03:04:05Z") from None
    if result is None:
        raise WrongValueError(path, f"expected a time, got {_kind(value)}")
    if result.tzinfo is None and result.year > 1:
        return result.astimezone()
    return result if result.tzinfo is not None else result.replace(tzinfo=UTC)


def _plain(value: object) -> Any:
    """Return a value of an open table in the types JSON knows."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date | time) else value


def known_keys(kind: Any) -> dict[str, Any]:
    """Return the keys of a struct or of a plain table with the kinds of their values; empty for others."""
    if isinstance(kind, dict):
        return kind
    if isinstance(kind, list):
        return known_keys(kind[0])
    if typing.get_origin(kind) in (Union, types.UnionType, list):
        return next((found for one in typing.get_args(kind) if (found := known_keys(one))), {})
    if dataclasses.is_dataclass(kind):
        return {key: field.kind for key, field in _fields(cast("Any", kind)).items()}
    return {}


@functools.cache
def _fields(cls: Any) -> Mapping[str, _Field]:
    hints = typing.get_type_hints(cls, include_extras=True)
    result: dict[str, _Field] = {}
    for field in dataclasses.fields(cls):
        key = field.metadata.get("toml", field.name)
        if key is not None:
            result[key] = _Field(field.name, field.metadata.get("table", hints[field.name]))
    return result


_NAMES: Final[dict[Any, str]] = {
    int: "an integer",
    str: "a string",
    bool: "true or false",
    float: "a number",
    list: "a list",
    dict: "a table",
}


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, date | time):
        return "a date or time"
    return _NAMES.get(type(value), type(value).__name__)
