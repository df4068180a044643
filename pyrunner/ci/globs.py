"""Globs of ``changes``, ``exists`` and local includes: Ruby's fnmatch with path names, dot files, braces.

``*`` stays within a folder; ``**/`` crosses any number of them; a final ``**`` is just ``*``
(gitlab-ci-yml.md 3.3).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable
from typing import Any, Final

import re2  # type: ignore[import-untyped]

#: Alternatives that the braces of one pattern may stand for; more is no pattern anybody means.
_MOST_ALTERNATIVES: Final = 1000
#: Beyond this many comparisons a condition is true without looking.
MAX_COMPARISONS: Final = 50_000
_WILD: Final = frozenset("*?[{\\")


def matches(pattern: str, path: str) -> bool:
    """Tell whether ``path`` is one that ``pattern`` stands for."""
    compiled = _compile(pattern)
    return compiled is not None and compiled.fullmatch(path) is not None


@functools.lru_cache(maxsize=4096)
def _compile(pattern: str) -> Any:
    written = [_translate(one) for one in _alternatives(pattern)]
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile("(?s)(?:" + "|".join(written) + ")", options)
    except re2.error:  # Ruby takes a class it cannot read as matching nothing
        return None


def _alternatives(pattern: str) -> list[str]:
    """Return the patterns that ``{a,b}`` stand for, innermost braces first."""
    found: list[str] = []
    waiting = [pattern]
    while waiting and len(found) + len(waiting) < _MOST_ALTERNATIVES:
        one = waiting.pop()
        if brace := re.search(r"\{([^{}]*)\}", one):
            waiting += [one[: brace.start()] + part + one[brace.end() :] for part in brace[1].split(",")]
        else:
            found.append(one)
    return found


def _translate(pattern: str) -> str:
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            parts.append("(?:[^/]+/)*")
            at += 3
            continue
        letter = pattern[at]
        at += 1
        if letter == "*":
            parts.append("[^/]*")
        elif letter == "?":
            parts.append("[^/]")
        elif letter == "[" and (end := pattern.find("]", at + 1)) > 0:
            body = pattern[at:end].replace("\\", "\\\\").replace("[", "\\[")
            parts.append("[" + ("^" + body[1:] if body[0] in "!^" else body) + "]")
            at = end + 1
        else:
            if letter == "\\" and at < len(pattern):
                letter = pattern[at]
                at += 1
            parts.append(re2.escape(letter))
    return "".join(parts)


def any_match(patterns: Iterable[str], paths: Collection[str]) -> str | None:
    """Return the first pattern that one of the paths matches; an empty text beyond the limit, else None."""
    wild: list[str] = []
    for pattern in patterns:
        if not _WILD.intersection(pattern):
            if pattern in paths:
                return pattern
        else:
            wild.append(pattern)
    if len(wild) * len(paths) > MAX_COMPARISONS:
        return ""
    return next((one for one in wild if any(matches(one, path) for path in paths)), None)


def with_folders(names: Iterable[str]) -> frozenset[str]:
    """Return files and the folders above them; a folder ends in a slash."""
    found: set[str] = set()
    for name in names:
        found.add(name)
        at = name.rfind("/")
        while at > 0 and name[: at + 1] not in found:
            found.add(name[: at + 1])
            at = name.rfind("/", 0, at)
    return frozenset(found)
