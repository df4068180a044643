"""One mapping under examination: the checks that most keywords share (gitlab-ci-yml.md 1.9)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Any

from pyrunner.ci.duration import seconds
from pyrunner.ci.expansion import REFERENCE
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position, as_text, flatten

#: How every keyword is examined: its path, its value, where it is written, where complaints go.
Check = Callable[[str, Any, Position, Findings], None]


def is_strings(value: Any) -> bool:
    """Tell whether ``value`` is a list of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def is_integer(value: Any) -> bool:
    """Tell whether ``value`` is an integer and no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def has_variable(value: Any) -> bool:
    """Tell whether a text refers to a variable."""
    return isinstance(value, str) and any(one[0] not in ("$$", "%%") for one in REFERENCE.finditer(value))


def flat_strings(value: Any, levels: int = 10) -> list[str] | None:
    """Return the texts of a nested list, or of one text; None when it is neither."""
    leaves = (
        [value] if isinstance(value, str) else flatten(value, levels) if isinstance(value, list) else None
    )
    return leaves if leaves is not None and all(isinstance(one, str) for one in leaves) else None


def _meant(word: str, keys: Collection[str]) -> str:
    close = [one for one in get_close_matches(word, list(keys), 5) if one[:2] == word[:2]]
    return f"did you mean {close[0]}?" if close else ""


class Entry:
    """A mapping at the path ``where``; complaints name an attribute, its underscores as spaces."""

    def __init__(self, where: str, value: Map, findings: Findings) -> None:
        self.where = where
        self.value = value
        self.findings = findings

    def get(self, key: str) -> Any:
        """Return a value; null counts as absent."""
        return self.value.get(key)

    def says(self, key: str, message: str, hint: str = "") -> None:
        """Add a complaint about an attribute of this entry."""
        self.findings.entry(self.where, f"{key.replace('_', ' ')} {message}", self.value.place(key), hint)

    def within(self, key: str, message: str, hint: str = "") -> None:
        """Add a complaint about an entry below this one."""
        self.findings.entry(f"{self.where}:{key}", f"config {message}", self.value.place(key), hint)

    def config(self, message: str, place: Position | None = None, hint: str = "") -> None:
        """Add a complaint about the entry itself."""
        self.findings.entry(self.where, f"config {message}", place or self.value.position, hint)

    def allow(self, keys: Collection[str], hint: str = "check the spelling") -> bool:
        """Complain about keys outside ``keys``; tell whether there is none."""
        unknown = [key for key in self.value if key not in keys]
        if unknown:
            shown = ", ".join(as_text(key) for key in unknown)
            hint = _meant(as_text(unknown[0]), keys) or hint
            self.config(f"contains unknown keys: {shown}", self.value.place(unknown[0]), hint)
        return not unknown

    def exclusive(self, keys: Collection[str]) -> None:
        """Complain when more than one of ``keys`` is given."""
        given = [key for key in self.value if key in keys]
        if len(given) > 1:
            message = f"these keys cannot be used together: {', '.join(given)}"
            self.config(message, self.value.place(given[1]))

    def require(self, keys: Collection[str]) -> None:
        """Complain about keys that are not there."""
        if missing := [key for key in keys if key not in self.value]:
            self.config(f"missing required keys: {', '.join(missing)}")

    def present(self, key: str) -> None:
        """Complain when an attribute is missing or blank, or no text."""
        value = self.get(key)
        if value is not None and not isinstance(value, str):
            self.says(key, "should be a string")
        elif value is None or not value.strip():
            self.says(key, "can't be blank")

    def string(self, *keys: str) -> None:
        """Complain about attributes that are no text."""
        for key in keys:
            if self.get(key) is not None and not isinstance(self.get(key), str):
                self.says(key, "should be a string")

    def boolean(self, *keys: str) -> None:
        """Complain about attributes that are no boolean."""
        for key in keys:
            if self.get(key) is not None and not isinstance(self.get(key), bool):
                self.says(key, "should be a boolean value", "write true or false without quotes")

    def strings(self, *keys: str) -> None:
        """Complain about attributes that are no list of texts."""
        for key in keys:
            if self.get(key) is not None and not is_strings(self.get(key)):
                self.says(key, "should be an array of strings")

    def strings_or_string(self, *keys: str) -> None:
        """Complain about attributes that are neither a text nor a list of texts."""
        for key in keys:
            value = self.get(key)
            if value is not None and not isinstance(value, str) and not is_strings(value):
                self.says(key, "should be an array of strings or a string")

    def one_of(self, key: str, values: Collection[str], message: str) -> None:
        """Complain with ``message`` about an attribute that is none of ``values``."""
        value = self.get(key)
        if value is not None and (not isinstance(value, str) or value not in values):
            self.says(key, message)

    def duration(self, key: str, *, never: bool = False, variable: bool = False, limit: int = 0) -> None:
        """Complain about an attribute that is no duration, or longer than ``limit`` seconds."""
        value = self.get(key)
        if value is None or (never and value == "never") or (variable and has_variable(value)):
            return
        length = seconds(value)
        if length is None:
            self.says(key, "should be a duration", "write it as text: '60', 1 hour, 1h 30m")
        elif limit and length > limit:
            self.says(key, "should not exceed the limit")


def mapping(where: str, value: Any, place: Position, findings: Findings) -> Entry | None:
    """Return the entry of a value that has to be a mapping; None, and a complaint, when it is none."""
    if isinstance(value, Map):
        return Entry(where, value, findings)
    findings.entry(where, "config should be a hash", place)
    return None
