"""Variables of a job: order, look-up, expansion, file variables (job-execution.md 3).

The list keeps duplicates: look-ups take the last one, exports are emitted in list order so that a
shell ends with the same value.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from pyrunner.protocol.job import JobVariable

#: Names the folder of file variables; part of the list itself (3.2 #11).
TEMPORARY_DIR_KEY: Final = "RUNNER_TEMP_PROJECT_DIR"

_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE: Final = frozenset(("0", "f", "F", "FALSE", "false", "False"))

# One reference, by the rules of Go's os.Expand (3.4). Alternatives in order: braces around a special
# character, braces around anything, broken braces, a special character, a name.
_REFERENCE: Final = re.compile(
    r"\$(?:\{([*#$@!?\-0-9])\}|\{([^}]*)\}|(\{)|([*#$@!?\-0-9])|([A-Za-z_][A-Za-z0-9_]*))"
)
_ALWAYS_EMPTY: Final = frozenset("*#@!?0123456789")


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable; ``internal`` is set by the runner only."""

    key: str
    value: str = ""
    public: bool = False
    masked: bool = False
    file: bool = False
    raw: bool = False
    internal: bool = False

    @classmethod
    def from_payload(cls, sent: JobVariable) -> Variable:
        """Take over a variable as the coordinator sent it."""
        return cls(sent.key, sent.value, sent.public, sent.masked, sent.file, sent.raw)


class VariableSet:
    """An ordered list of variables that never changes."""

    def __init__(self, variables: Iterable[Variable] = ()) -> None:
        self._variables = tuple(variables)
        self._last = {one.key: one for one in self._variables}

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __contains__(self, key: object) -> bool:
        return key in self._last

    def get(self, key: str) -> str:
        """Return what a script sees: the value, or the path of a file variable; empty when unknown."""
        found = self._last.get(key)
        if found is None:
            return ""
        return self.file_path(key) if found.file else found.value

    def value(self, key: str) -> str:
        """Return the content, also of a file variable; empty when unknown. For the runner's own settings."""
        found = self._last.get(key)
        return "" if found is None else found.value

    def file_path(self, key: str) -> str:
        """Return where the content of the file variable ``key`` is kept: ``<temp dir>/<KEY>``."""
        return posixpath.join(self.value(TEMPORARY_DIR_KEY), key)

    def expand_value(self, text: str) -> str:
        """Return ``text`` with its references replaced, one level deep (3.4)."""
        if "$" not in text:
            return text
        return _REFERENCE.sub(self._referenced, text)

    def _referenced(self, match: re.Match[str]) -> str:
        special_braced, braced, broken, special, name = match.groups()
        if broken is not None or braced == "":
            return ""
        key = next(one for one in (special_braced, braced, special, name) if one is not None)
        if key == "$":
            return "$"
        return "" if key in _ALWAYS_EMPTY else self.get(key)

    def expanded(self) -> VariableSet:
        """Return the list with every value that is not raw expanded against this, unexpanded, list."""
        return self.expanded_with(self)

    def expanded_with(self, source: VariableSet) -> VariableSet:
        """Return the list with every value that is not raw expanded against ``source``."""
        return VariableSet(
            one if one.raw or "$" not in one.value else replace(one, value=source.expand_value(one.value))
            for one in self._variables
        )

    def with_first(self, variable: Variable) -> VariableSet:
        """Return the list with the first entry of that name replaced by ``variable``."""
        first = next((index for index, one in enumerate(self._variables) if one.key == variable.key), None)
        if first is None:
            return self
        return VariableSet((*self._variables[:first], variable, *self._variables[first + 1 :]))

    def public_or_internal(self) -> VariableSet:
        """Return what a service container may see (3.2): never a secret."""
        return VariableSet(one for one in self._variables if one.public or one.internal)

    def masked_values(self) -> list[str]:
        """Return the values of masked variables, content of file variables included (3.6)."""
        return [one.value for one in self._variables if one.masked]

    def first_is_true(self, key: str) -> bool:
        """Read the *first* occurrence of ``key`` as a boolean: what a user's override cannot reach (7.6)."""
        first = next((one for one in self._variables if one.key == key), None)
        if first is None:
            return False
        text = self.file_path(key) if first.file else first.value
        if (parsed := parse_bool(text.lower())) is not None:
            return parsed
        return bool(re.fullmatch(r"[+]?0*1", text))


def is_file_name(key: str) -> bool:
    """Tell whether a file variable of this name stays inside the temp dir.

    gitlab-runner writes it wherever the name leads; here such a name is refused.
    """
    return key not in ("", ".", "..") and "/" not in key and "\0" not in key


def parse_bool(text: str) -> bool | None:
    """Return a boolean as Go's strconv.ParseBool reads it; None for anything else (3.3)."""
    if text in _TRUE:
        return True
    return False if text in _FALSE else None
