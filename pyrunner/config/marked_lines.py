"""Lines that ``migrate`` adds to config.toml, marked so that they can be taken out again byte for byte.

``source_path = "slot"`` keeps a job's folder the same for every branch, as gitlab-runner has it
(tristan-layout.md 7). gitlab-runner ignores the table.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any, Final

from pyrunner.config.convert import match_key
from pyrunner.config.scanner import Header, Layout, scan
from pyrunner.config.sections import entry_spans
from pyrunner.config.syntax import decode_text, parse_toml
from pyrunner.errors import ConfigError

MARK: Final = "# added by pyrunner migrate"
_KEY: Final = "source_path"
_VALUE: Final = "slot"
_INDENT: Final = re.compile(r"[ \t]*")


def add_source_path(data: bytes, chosen: Iterable[int], path: str = "") -> bytes:
    """Return the file with ``source_path = "slot"`` for the chosen entries that have no ``source_path``.

    :param chosen: numbers of ``[[runners]]`` entries, from 0.
    :param path: of the file, for errors.
    :raises ConfigError: when the file is no TOML, or cannot be changed safely.
    """
    text = decode_text(data, path)
    values = parse_toml(text, path)
    name = match_key(values, "runners") or "runners"
    layout = scan(text)
    expected = copy.deepcopy(values)
    insertions: list[tuple[int, str]] = []
    for index in chosen:
        entry = expected[name][index]
        table = match_key(entry, "tristan")
        if table is not None and match_key(entry[table], _KEY) is not None:
            continue
        insertions.append(_insertion(layout, name, index, table, path))
        entry.setdefault(table or "tristan", {})[_KEY] = _VALUE
    for offset, lines in sorted(insertions, reverse=True):
        text = text[:offset] + lines + text[offset:]
    return _verified(text, expected, path)


def remove_marked(data: bytes, path: str = "") -> bytes:
    """Return the file without the marked lines; what others have written below them stays.

    :raises ConfigError: when the file is no TOML, or cannot be changed safely.
    """
    text = decode_text(data, path)
    if MARK not in text:
        return data
    expected = parse_toml(text, path)
    layout = scan(text)
    lines = text.splitlines(keepends=True)
    marked = {number for number, line in enumerate(lines, 1) if line.rstrip().endswith(MARK)}
    for at, value in layout.values.items():
        if layout.line_column(value.key)[0] in marked:
            table = _at(expected, at[:-1])
            del table[at[-1]]
    for header in layout.headers:
        number = layout.line_column(header.start)[0]
        if number not in marked:
            continue
        if _at(expected, header.path):  # somebody has made the table his own
            lines[number - 1] = lines[number - 1].replace(f" {MARK}", "")
            marked.remove(number)
        else:
            del _at(expected, header.path[:-1])[header.path[-1]]
    return _verified(_without(lines, marked), expected, path)


def _without(lines: list[str], marked: set[int]) -> str:
    """Return the text without the marked lines; where it ended without a line feed, it does so again."""
    kept = [line for number, line in enumerate(lines, 1) if number not in marked]
    if kept and len(lines) in marked and not lines[-1].endswith("\n"):
        kept[-1] = kept[-1].removesuffix("\n").removesuffix("\r")
    return "".join(kept)


def _at(values: Any, path: Iterable[str | int]) -> Any:
    for part in path:
        values = values[part]
    return values


def _verified(text: str, expected: dict[str, Any], path: str) -> bytes:
    """Return ``text`` when it holds exactly ``expected``; never store anything else."""
    try:
        same = parse_toml(text) == expected
    except ConfigError:
        same = False
    if not same:
        raise ConfigError("this file cannot be changed safely; change source_path by hand", path)
    return text.encode()


def _insertion(layout: Layout, name: str, index: int, table: str | None, path: str) -> tuple[int, str]:
    """Return where to put what."""
    text = layout.text
    newline = "\r\n" if "\r\n" in text.partition("\n")[0] + "\n" else "\n"
    if table is None:
        spans = entry_spans(layout, (name, index))
        if not spans:
            raise _unsafe(layout, (name,), path)
        indent = _indent(text, _header(layout, (name, index)).start) + "  "
        lines = [f"{indent}[{name}.tristan] {MARK}", f'{indent}  {_KEY} = "{_VALUE}" {MARK}']
        return _lines_at(text, spans[0].end, lines, newline)
    at = (name, index, table)
    if at in layout.values:
        raise _unsafe(layout, at, path)
    header = next((one for one in layout.headers if one.path == at), None)
    if header is not None:
        indent = _indent(text, header.start) + "  "
        return _lines_at(
            text, _next_line(text, header.start), [f'{indent}{_KEY} = "{_VALUE}" {MARK}'], newline
        )
    # dotted keys: tristan.root = "..."
    below = next(value for key, value in layout.values.items() if key[:3] == at)
    line = f'{_indent(text, below.key)}{table}.{_KEY} = "{_VALUE}" {MARK}'
    return _lines_at(text, _next_line(text, below.end), [line], newline)


def _lines_at(text: str, offset: int, lines: list[str], newline: str) -> tuple[int, str]:
    if offset and text[offset - 1] != "\n":  # the file ends without a line feed, and shall again
        return offset, "".join(newline + line for line in lines)
    return offset, "".join(line + newline for line in lines)


def _header(layout: Layout, at: tuple[str | int, ...]) -> Header:
    return next(one for one in layout.headers if one.path == at)


def _indent(text: str, offset: int) -> str:
    line = text.rfind("\n", 0, offset) + 1
    match = _INDENT.match(text, line)
    return match[0] if match else ""


def _next_line(text: str, offset: int) -> int:
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


def _unsafe(layout: Layout, at: tuple[str | int, ...], path: str) -> ConfigError:
    line, column = layout.place(at)
    return ConfigError(
        "is written as one value; write it as a table with a [header] of its own, or set "
        'source_path = "slot" by hand',
        path,
        line,
        column,
    )
