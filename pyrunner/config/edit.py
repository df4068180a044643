"""Changes to config.toml as text: everything else in the file stays as it is, byte for byte.

gitlab-runner writes the whole file anew and loses comments, layout, unknown keys and ``$VAR``
references (config-and-commands.md 1.17). Here only the lines of the entry change. Each result is
parsed again and compared with what it should hold before it is stored; a file that cannot be
changed safely is left alone, with an error that says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pyrunner.config import render
from pyrunner.config.cache import AzureCache, GCSCache, S3Cache
from pyrunner.config.convert import match_key
from pyrunner.config.load import parse_config
from pyrunner.config.model import ZERO_TIME, RunnerConfig
from pyrunner.config.rewrite import rewrite
from pyrunner.config.scanner import Layout, Value, scan
from pyrunner.config.sections import entry_spans
from pyrunner.config.syntax import decode_text, parse_toml
from pyrunner.errors import ConfigError

#: Chooses entries; gets them with url and token expanded.
Selector = Callable[[RunnerConfig], bool]

_INDENT: Final = re.compile(r"[ \t]*")


def create_default(path: Path) -> bool:
    """Make the file with the defaults, as ``install`` does; False when there is one already.

    :raises ConfigError: when it cannot be written.
    """
    return rewrite(path, lambda old: _fresh("").encode() if old is None else None)


def append_runner(path: Path, runner: RunnerConfig) -> None:
    """Add a ``[[runners]]`` entry at the end; a missing or empty file also gets the global keys.

    ``[runners.cache]`` and its three tables are always written, as ``register`` does.

    :raises ConfigError: when the file cannot be read, changed or written.
    """
    cache = runner.cache
    cache = replace(
        cache, s3=cache.s3 or S3Cache(), gcs=cache.gcs or GCSCache(), azure=cache.azure or AzureCache()
    )
    runner = replace(runner, cache=cache)

    def change(old: bytes | None) -> bytes:
        if old is None:
            return _encode(_fresh("") + "\n" + render.render_runner(runner), path)
        file = _File(old, path)
        return _encode(file.append(runner), path)

    rewrite(path, change)


def remove_runners(path: Path, selector: Selector, environ: Mapping[str, str]) -> int:
    """Remove the entries that ``selector`` chooses; return how many. Nothing chosen: nothing written.

    :raises ConfigError: when the file cannot be read, changed or written.
    """
    removed = 0

    def change(old: bytes | None) -> bytes | None:
        nonlocal removed
        removed = 0
        if old is None:
            return None
        file = _File(old, path)
        chosen = file.select(selector, environ)
        removed = len(chosen)
        return _encode(file.remove(chosen), path) if chosen else None

    rewrite(path, change)
    return removed


def replace_token(
    path: Path,
    selector: Selector,
    environ: Mapping[str, str],
    token: str,
    obtained_at: datetime = ZERO_TIME,
    expires_at: datetime = ZERO_TIME,
) -> int:
    """Give the entries that ``selector`` chooses a new token; return how many.

    :raises ConfigError: when the file cannot be read, changed or written.
    """
    values = {
        "token": token,
        "token_obtained_at": render.whole_seconds(obtained_at),
        "token_expires_at": render.whole_seconds(expires_at),
    }
    changed = 0

    def change(old: bytes | None) -> bytes | None:
        nonlocal changed
        changed = 0
        if old is None:
            return None
        file = _File(old, path)
        chosen = file.select(selector, environ)
        changed = len(chosen)
        return _encode(file.set_values(chosen, values), path) if chosen else None

    rewrite(path, change)
    return changed


def _fresh(connection_max_age: str) -> str:
    return render.GLOBAL_KEYS.replace("{connection_max_age}", connection_max_age)


def _encode(text: str, path: Path) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError("a value is not valid text and cannot be written", str(path)) from None


class _File:
    """One state of the file, and what it would be after a change."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.data = data
        self.path = path
        self.text = decode_text(data, str(path))
        self.values = parse_toml(self.text, str(path))
        self.newline = "\r\n" if "\r\n" in self.text.partition("\n")[0] + "\n" else "\n"
        self.name = match_key(self.values, "runners") or "runners"

    def select(self, selector: Selector, environ: Mapping[str, str]) -> list[int]:
        runners = parse_config(self.data, environ, self.path).runners
        return [index for index, runner in enumerate(runners) if selector(runner)]

    def append(self, runner: RunnerConfig) -> str:
        if not self.text.removeprefix("\ufeff").strip():
            return _fresh(render.CONNECTION_MAX_AGE) + "\n" + render.render_runner(runner)
        if self.name in self.values:
            self._require_array_of_tables(scan(self.text), "add to it")
        separator = ""
        if not self.text.endswith("\n"):
            separator = self.newline
        if not re.search(r"\n[ \t]*\r?\n\Z", self.text + separator):
            separator += self.newline
        block = render.render_runner(runner, self.name).replace("\n", self.newline)
        runners = [*self.values.get(self.name, []), render.runner_values(runner)]
        return self._verified(self.text + separator + block, {**self.values, self.name: runners})

    def remove(self, chosen: list[int]) -> str:
        layout = scan(self.text)
        self._require_array_of_tables(layout, "remove from it")
        spans = sorted(
            (span for index in chosen for span in entry_spans(layout, (self.name, index))),
            key=lambda span: span.start,
        )
        text = self.text
        for span in reversed(spans):
            text = text[: span.start] + text[span.end :]
        kept = [one for index, one in enumerate(self.values[self.name]) if index not in chosen]
        expected = {**self.values, self.name: kept}
        if not kept:
            del expected[self.name]
        return self._verified(text, expected)

    def set_values(self, chosen: list[int], values: Mapping[str, Any]) -> str:
        layout = scan(self.text)
        runners = [dict(one) for one in self.values[self.name]]
        edits: list[tuple[int, int, str]] = []
        for index in chosen:
            edits.extend(self._entry_edits(layout, index, values))
            for key, value in values.items():
                runners[index][match_key(runners[index], key) or key] = value
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return self._verified(text, {**self.values, self.name: runners})

    def _entry_edits(
        self, layout: Layout, index: int, values: Mapping[str, Any]
    ) -> list[tuple[int, int, str]]:
        """Return the pieces of text to replace so that one entry holds ``values``."""
        entry = self.values[self.name][index]
        edits: list[tuple[int, int, str]] = []
        missing: dict[str, str] = {}
        anchor: Value | None = None
        for key, value in values.items():
            written = match_key(entry, key)
            text = render.render_value(value)
            if written is None:
                missing[key] = text
                continue
            found = layout.values[(self.name, index, written)]
            anchor = anchor or found
            edits.append((found.start, found.end, text))
        if missing:
            edits.append(self._insertion(layout, index, anchor, missing))
        return edits

    def _insertion(
        self, layout: Layout, index: int, anchor: Value | None, missing: Mapping[str, str]
    ) -> tuple[int, int, str]:
        pairs = [f"{key} = {value}" for key, value in missing.items()]
        header = next((one for one in layout.headers if one.path == (self.name, index)), None)
        if header is None:  # an inline table: it has a place for more behind a value, or after its brace
            brace = layout.values[(self.name, index)].start + 1
            if anchor is None:
                tail = "," if self.values[self.name][index] else ""
                return brace, brace, " " + ", ".join(pairs) + tail
            return anchor.end, anchor.end, "".join(f", {pair}" for pair in pairs)
        # after the line of the token, where there is one, else after the header
        indent = "  "
        offset = header.start
        if anchor:
            line = self.text.rfind("\n", 0, anchor.key) + 1
            match = _INDENT.match(self.text, line)
            indent = match[0] if match else ""
            offset = anchor.end
        end = self.text.find("\n", offset)
        lines = [indent + pair for pair in pairs]
        if end < 0:
            return len(self.text), len(self.text), "".join(self.newline + line for line in lines)
        return end + 1, end + 1, "".join(line + self.newline for line in lines)

    def _require_array_of_tables(self, layout: Layout, purpose: str) -> None:
        """Refuse a file whose entries are written as one inline value."""
        inline = layout.values.get((self.name,))
        if inline is not None:
            line, column = layout.line_column(inline.key)
            raise ConfigError(
                f"{self.name} is written as one value; to {purpose}, "
                f"write each entry as a [[{self.name}]] table",
                str(self.path),
                line,
                column,
            )

    def _verified(self, text: str, expected: Mapping[str, Any]) -> str:
        """Return ``text`` when it holds exactly ``expected``; never store anything else."""
        try:
            same = _same(parse_toml(text), expected)
        except ConfigError:
            same = False
        if not same:
            raise ConfigError("this file cannot be changed safely; change it by hand", str(self.path))
        return text


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and one != one:
        return isinstance(other, float) and other != other
    return type(one) is type(other) and bool(one == other)
