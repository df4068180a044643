"""Where in TOML text each table, key and list item stands.

A parser gives values without places; errors and edits need the places. The text must have been
accepted by :func:`pyrunner.config.syntax.parse_toml` before: the scanner only tells strings,
comments, headers and keys apart and does not check anything.

A *path* is a tuple of keys as they are written and of list indices, e.g.
``("runners", 0, "docker", "volumes", 2)``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

from pyrunner.config.syntax import parse_toml

Path = tuple[str | int, ...]

_SPACE: Final = re.compile(r"[ \t]*")
_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_BASIC: Final = re.compile(r'"(?:\\.|[^"\\\n])*"')
_LITERAL: Final = re.compile(r"'[^'\n]*'")
_MULTI_BASIC: Final = re.compile(r'"""(?:\\.|[^\\])*?"""(?:""|")?', re.DOTALL)
_MULTI_LITERAL: Final = re.compile(r"'''.*?'''(?:''|')?", re.DOTALL)
_SCALAR: Final = re.compile(r"[^,\]}#\r\n]*")


@dataclass(frozen=True)
class Value:
    """A key, header or list item and its value, as offsets into the text."""

    #: Of the first character of the key (of the list item where there is no key).
    key: int
    #: Of the first character of the value.
    start: int
    #: One past the last character of the value.
    end: int


@dataclass(frozen=True)
class Header:
    """A ``[table]`` or ``[[array of tables]]`` line."""

    #: With the index of each array of tables on the way, and of this one's own.
    path: Path
    #: The keys as written.
    names: tuple[str, ...]
    is_array: bool
    #: Offset of the first bracket.
    start: int


@dataclass
class Layout:
    """What the scanner found in a text."""

    text: str
    headers: list[Header] = field(default_factory=list)
    #: Keys with a value, nested ones included.
    values: dict[Path, Value] = field(default_factory=dict)
    #: Offset at which each path is first named.
    places: dict[Path, int] = field(default_factory=dict)
    #: Offsets of ends of all ``key = value`` statements, in order.
    statement_ends: list[int] = field(default_factory=list)
    _lines: list[int] = field(default_factory=list)

    def place(self, path: Path) -> tuple[int, int]:
        """Return line and column (from 1) of ``path``, or of the nearest table around it; else 0, 0."""
        for length in range(len(path), 0, -1):
            offset = self.places.get(path[:length])
            if offset is not None:
                return self.line_column(offset)
        return 0, 0

    def line_column(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, from 1."""
        if not self._lines:
            self._lines = [0, *(match.end() for match in re.finditer("\n", self.text))]
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1


def scan(text: str) -> Layout:
    """Find every table, key and list item of valid TOML text."""
    return _Scanner(text).run()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 1 if text.startswith("\ufeff") else 0
        self.layout = Layout(text)
        #: Path of each array of tables with the number of its tables so far.
        self.counts: dict[Path, int] = {}
        self.table: Path = ()

    def run(self) -> Layout:
        while True:
            self._skip(_BLANK)
            if self.position >= len(self.text):
                return self.layout
            if self.text[self.position] == "[":
                self._header()
            else:
                self._pair(self.table)
                self.layout.statement_ends.append(self.position)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.position)
        if match:
            self.position = match.end()

    def _header(self) -> None:
        start = self.position
        is_array = self.text.startswith("[[", start)
        self.position += 2 if is_array else 1
        names = [name for name, _ in self._keys()]
        self.position += 2 if is_array else 1
        path: Path = ()
        for index, name in enumerate(names):
            path = (*path, name)
            last = index == len(names) - 1
            if last and is_array:
                self.counts[path] = self.counts.get(path, 0) + 1
                self.layout.places.setdefault(path, start)
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
            self.layout.places.setdefault(path, start)
        self.table = path
        self.layout.headers.append(Header(path, tuple(names), is_array, start))

    def _keys(self) -> list[tuple[str, int]]:
        """Read a dotted key; leave the position behind it and the spaces after it."""
        keys: list[tuple[str, int]] = []
        while True:
            self._skip(_SPACE)
            start = self.position
            keys.append((self._key(), start))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.position):
                return keys
            self.position += 1

    def _key(self) -> str:
        for pattern in (_BASIC, _LITERAL, _BARE_KEY):
            match = pattern.match(self.text, self.position)
            if match:
                self.position = match.end()
                break
        else:
            # Only text that no parser has accepted comes here; go on rather than stand still.
            self.position += 1
            return ""
        raw = match[0]
        if raw.startswith("'"):
            return raw[1:-1]
        if not raw.startswith('"'):
            return raw
        return raw[1:-1] if "\\" not in raw else str(parse_toml(f"k = {raw}")["k"])

    def _pair(self, table: Path) -> None:
        """Read ``key = value`` in ``table``."""
        keys = self._keys()
        self.position += 1  # the equals sign
        path = table
        for name, offset in keys:
            path = (*path, name)
            self.layout.places.setdefault(path, offset)
        self._skip(_SPACE)
        start = self.position
        self._value(path)
        self.layout.values[path] = Value(keys[0][1], start, self.position)

    def _value(self, path: Path) -> None:
        first = self.text[self.position : self.position + 1]
        if first == "[":
            self._list(path)
        elif first == "{":
            self._inline_table(path)
        elif first == '"':
            self._skip(_MULTI_BASIC if self.text.startswith('"""', self.position) else _BASIC)
        elif first == "'":
            self._skip(_MULTI_LITERAL if self.text.startswith("'''", self.position) else _LITERAL)
        else:
            match = _SCALAR.match(self.text, self.position)
            if match:
                self.position += len(match[0].rstrip(" \t"))

    def _list(self, path: Path) -> None:
        self.position += 1
        index = 0
        while self.position < len(self.text):
            self._skip(_BLANK)
            character = self.text[self.position : self.position + 1]
            if character == "]":
                self.position += 1
                return
            if character == ",":
                self.position += 1
                continue
            item = (*path, index)
            start = self.position
            self.layout.places.setdefault(item, start)
            self._value(item)
            self.layout.values[item] = Value(start, start, self.position)
            index += 1

    def _inline_table(self, path: Path) -> None:
        self.position += 1
        while self.position < len(self.text):
            self._skip(_BLANK)
            character = self.text[self.position : self.position + 1]
            if character == "}":
                self.position += 1
                return
            if character == ",":
                self.position += 1
                continue
            self._pair(path)
            # a line break may stand before the comma or the brace
