"""A ``[[runners]]`` entry as TOML text, laid out as gitlab-runner does (config-and-commands.md 1.17)."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import toml

from pyrunner.config.kinds import DURATION, Duration
from pyrunner.config.model import RunnerConfig
from pyrunner.system.durations import format_duration

#: The beginning of a file that has nothing yet.
GLOBAL_KEYS: Final = (
    "concurrent = 1\n"
    "check_interval = 0\n"
    "{connection_max_age}"
    "shutdown_timeout = 0\n"
    "\n"
    "[session_server]\n"
    "  session_timeout = 1800\n"
)
CONNECTION_MAX_AGE: Final = 'connection_max_age = "15m0s"\n'

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_ESCAPES: Final = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
_ESCAPED: Final = re.compile(r'["\\\x00-\x1f\x7f]')


class _Encoder(toml.TomlEncoder):  # type: ignore[type-arg]  # generic in the stubs only
    """Values as gitlab-runner writes them.

    Strings are written here: the package garbles some that hold a backslash or a control character.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dump_funcs[str] = render_string
        self.dump_funcs[datetime] = _time

    def dump_list(self, v: Any) -> str:
        return "[" + ", ".join(str(self.dump_value(one)) for one in v) + "]"


def render_string(text: str) -> str:
    """Return ``text`` as a basic string on one line."""
    return '"' + _ESCAPED.sub(lambda match: _ESCAPES.get(match[0], f"\\u{ord(match[0]):04x}"), text) + '"'


def render_value(value: object) -> str:
    """Return a scalar or a list of scalars as TOML."""
    return str(_Encoder().dump_value(value))


def render_key(key: str) -> str:
    """Return ``key``, in quotes where it needs them."""
    return key if _BARE_KEY.match(key) else render_string(key)


def render_runner(runner: RunnerConfig, name: str = "runners") -> str:
    """Return the entry with its sub-tables, newline at the end, no blank line before.

    :param name: the array's key as the file spells it.
    """
    lines = [f"[[{render_key(name)}]]", *_table((name,), runner_values(runner))]
    return "\n".join(lines) + "\n"


def runner_values(runner: RunnerConfig) -> dict[str, Any]:
    """Return the entry as the plain values that its text holds."""
    return _struct(runner)


def _struct(value: Any) -> dict[str, Any]:
    """Return what of a dataclass is written: all that differs from its default, and the ``always`` keys."""
    hints = typing.get_type_hints(type(value), include_extras=True)
    result: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        one = getattr(value, field.name)
        if one is None or (one == _default(field) and not field.metadata.get("always")):
            continue
        result[field.metadata.get("toml", field.name)] = _plain(
            field.metadata.get("table", hints[field.name]), one
        )
    return result


def _default(field: dataclasses.Field[Any]) -> Any:
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


def _plain(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _struct(value)
    if isinstance(kind, list):
        return [_plain(kind[0], one) for one in value]
    if isinstance(kind, dict):
        return {key: _plain(kind.get(key), one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(None, one) for one in value]
    if isinstance(value, datetime):
        return whole_seconds(value)
    if _is_duration(kind):
        return format_duration(value)
    return value


def _is_duration(kind: Any) -> bool:
    if kind == Duration:
        return True
    return any(DURATION in getattr(one, "__metadata__", ()) for one in typing.get_args(kind))


def _table(path: tuple[str, ...], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a table's keys, then of its sub-tables; two spaces a level."""
    indent = "  " * len(path)
    tables = {key: one for key, one in values.items() if _is_table(one)}
    for key, one in values.items():
        if key not in tables:
            yield f"{indent}{render_key(key)} = {render_value(one)}"
    for key, one in tables.items():
        below = (*path, key)
        header = ".".join(map(render_key, below))
        if isinstance(one, dict):
            yield f"{indent}[{header}]"
            yield from _table(below, one)
            continue
        for item in one:
            yield ""
            yield f"{indent}[[{header}]]"
            yield from _table(below, item)


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def whole_seconds(value: datetime) -> datetime:
    """Return a time as it is written: in UTC, without fractions."""
    return value.astimezone(UTC).replace(microsecond=0)


def _time(value: datetime) -> str:
    """Return RFC 3339 in UTC with whole seconds."""
    return whole_seconds(value).replace(tzinfo=None).isoformat() + "Z"
