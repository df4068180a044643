"""The reference of ``config.toml``, from the model: key, type, default, meaning of every field."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from docsite.fields import field_comments, table_text
from pyrunner.config import kinds
from pyrunner.config.model import Config
from pyrunner.system.durations import format_duration

_KINDS: Final = {
    kinds.DURATION: "duration",
    kinds.SIZE: "size",
    kinds.STRING_OR_LIST: "text or list of texts",
    kinds.STRING_OR_INTEGER: "text or number",
}
_NAMES: Final = {str: "text", int: "number", float: "number", bool: "true or false", datetime: "time"}
_MISSING: Final = dataclasses.MISSING
#: What a docstring begins with: the name of the table, which is the heading already.
_TITLE: Final = re.compile(r"^`\[+[\w.]+\]+`(?: and its backends)?[.:;]? ?")
_GLOBAL: Final = "Keys at the top of the file, before the first table."

_HEAD: Final = """\
<!-- made by `python -m docsite` from pyrunner/config: do not edit -->
# Reference of config.toml

Every table and key that pyrunner reads, in the order in which gitlab-runner writes them. It is made from the
code, so it is complete and of this version. What the keys are good for together is told in
[configuration](../configuration.md); [config.toml.example](../../config.toml.example) has a value for each.

- *duration* is text such as `"90s"`, `"15m0s"` or `"1h30m"`; *size* is text such as `"200GB"` or `"50GiB"`,
  or a number of bytes; *time* is such as `2026-01-02T03:04:05Z`.
- A default of `–` means that the key is absent, and that its description says what happens then.
- Where another value is in effect than the one in the file, as 3 for `check_interval = 0`, it is in brackets.
- Keys match without regard to case. `pyrunner lint-config` tells of wrong values and unknown keys.
"""
_ACCEPTED: Final = """
## Accepted tables

These tables belong to executors and features that pyrunner does not have. Keys and types are checked as
gitlab-runner does, so that one file serves both, and then have no effect.
"""


def configuration_page() -> str:
    """Return the page."""
    accepted: list[tuple[str, dict[str, Any]]] = []
    body = list(_table(Config, "", False, accepted))
    body.append(_ACCEPTED)
    for path, table in accepted:
        body += _accepted_table(path, table)
    return _HEAD + "\n".join(body) + "\n"


def _table(
    table: type[Any], path: str, listed: bool, accepted: list[tuple[str, dict[str, Any]]]
) -> Iterator[str]:
    """Yield the section of one table, then those of the tables in it."""
    yield f"\n## {_title(path, listed)}\n"
    if text := _TITLE.sub("", table_text(table)) if path else _GLOBAL:
        yield text[:1].upper() + text[1:] + "\n"
    hints, comments, below = typing.get_type_hints(table, include_extras=True), field_comments(table), []
    rows: list[str] = []
    example = table()
    for field in dataclasses.fields(table):
        key = field.metadata.get("toml", field.name)
        if key is None:
            continue
        inner, is_list = _inner_table(hints[field.name])
        where = f"{path}.{key}".lstrip(".")
        if inner is not None:
            below.append((inner, where, is_list))
        elif "table" in field.metadata:
            accepted.append((where, field.metadata["table"]))
        else:
            default = _default(field, example)
            meaning = comments.get(field.name, "")
            if meaning.startswith("No effect"):
                default = default.partition(" (")[0]
            rows.append(f"| `{key}` | {_type(hints[field.name])} | {default} | {meaning} |")
    if rows:
        yield from ("| key | type | default | meaning |", "|---|---|---|---|")
        yield from rows
    for inner, where, is_list in below:
        yield from _table(inner, where, is_list, accepted)


def _title(path: str, listed: bool) -> str:
    if not path:
        return "Global keys"
    return f"`[[{path}]]`" if listed else f"`[{path}]`"


def _inner_table(hint: Any) -> tuple[type[Any] | None, bool]:
    """Return the dataclass that a field holds, and whether it holds a list of them."""
    listed = typing.get_origin(hint) is list
    for one in (hint, *typing.get_args(hint)):
        if isinstance(one, type) and dataclasses.is_dataclass(one):
            return one, listed
    return None, False


def _type(hint: Any) -> str:
    """Return a type in words."""
    if typing.get_origin(hint) is typing.Annotated:
        return _KINDS[typing.get_args(hint)[1]]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return " or ".join(_type(one) for one in typing.get_args(hint) if one is not type(None))
    if typing.get_origin(hint) is list:
        return f"list of {_type(typing.get_args(hint)[0])}s"
    if typing.get_origin(hint) is dict:
        value = typing.get_args(hint)[1]
        return "table of lists" if typing.get_origin(value) is list else f"table of {_plural(_type(value))}"
    return _NAMES[hint]


def _plural(word: str) -> str:
    return word if word.startswith("true") else f"{word}s"


def _default(field: dataclasses.Field[Any], table: Any) -> str:
    """Return the default as the file would have it, and in brackets what is in effect instead."""
    value: Any = field.default if field.default_factory is _MISSING else field.default_factory()
    shown = _value(value, str(field.type))
    effective = getattr(table, f"effective_{field.name}", value)
    if field.name == "output_limit":  # the file counts in KiB
        effective //= 1024
    if effective == value:
        return shown
    return f"{shown} ({_value(effective, str(field.type))})"


def _value(value: Any, kind: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return "never"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float) and "Duration" in kind:
        return f'`"{format_duration(value)}"`'
    if isinstance(value, list):
        return "`" + json.dumps(value) + "`"
    if isinstance(value, dict):
        return "`{}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:g}`"


def _accepted_table(path: str, table: dict[str, Any]) -> Iterator[str]:
    """Yield the keys of a table that is only checked; tables in it follow as rows with a dotted key."""
    yield f"\n### `[{path}]`\n"
    yield from ("| key | type |", "|---|---|")
    yield from _accepted_rows("", table)


def _accepted_rows(prefix: str, table: dict[str, Any]) -> Iterator[str]:
    for key, kind in table.items():
        if isinstance(kind, dict):
            yield from _accepted_rows(f"{prefix}{key}.", kind)
        elif isinstance(kind, list):
            yield from _accepted_rows(f"{prefix}{key}[].", kind[0])
        else:
            yield f"| `{prefix}{key}` | {_type(kind) if kind != dict[str, Any] else 'table'} |"
