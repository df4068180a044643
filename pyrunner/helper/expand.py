"""Variables in paths and names, as the archiver's own environment has them (job-execution.md 12, 34)."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Final

from pyrunner.errors import UsageError
from pyrunner.system.golang import quoted

_log = logging.getLogger(__name__)

#: What has none of these stays as it is.
_MARKS: Final = frozenset("\\$`")

#: Compiled at the first use: few paths have variables.
_PART: Final = (
    r"""\\(?P<escaped>[\\$`"])"""
    r"""|\$(?P<plain>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|\$\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:?[-+])(?P<word>[^{}$`]*))?\}"""
    r"""|(?P<command>\$\(|`)"""
    r"""|(?P<broken>\$\{)"""
)


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Return ``text`` with ``$NAME``, ``${NAME}``, ``${NAME:-word}`` and ``${NAME:+word}`` replaced.

    :raises UsageError: for a command substitution: paths run nothing; or for braces that hold no name.
    """

    def replaced(found: re.Match[str]) -> str:
        if found["escaped"]:
            return found["escaped"]
        if found["command"]:
            raise UsageError(f"unexpected command substitution at 1:{found.start() + 1}")
        if found["broken"]:
            raise UsageError(f"1:{found.start() + 1}: invalid parameter name")
        value = environment.get(found["plain"] or found["braced"])
        operator = found["operator"]
        if not operator:
            return value or ""
        given = bool(value) if operator[0] == ":" else value is not None
        if operator[-1] == "-":
            return (value or "") if given else found["word"]
        return found["word"] if given else ""

    return re.sub(_PART, replaced, text)


def expand_paths(paths: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return the paths expanded; one that cannot be stays as it is, with a warning."""
    expanded = []
    for path in paths:
        try:
            expanded.append(expand(path, environment) if _MARKS.intersection(path) else path)
        except UsageError as error:
            _log.warning("invalid path %s: %s", quoted(path), error)
            expanded.append(path)
    return expanded
