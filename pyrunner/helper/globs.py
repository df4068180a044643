"""Path patterns as ``cache:`` and ``artifacts:`` know them (job-execution.md 8.1).

``*``, ``?``, ``[..]``, ``{a,b}`` and ``**``; a leading dot is nothing special; links to folders are passed
through in the part before the first wildcard only. By its documentation wcmatch follows a link that
``*`` has matched (``*/file``) and caps brace expansion by an error, so matching is done here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final

from pyrunner.errors import UsageError

_WILDCARDS: Final = "*?[{\\"
#: More alternatives than this are a mistake or an attack.
_MOST_ALTERNATIVES: Final = 10_000


def has_wildcard(pattern: str) -> bool:
    """Tell whether ``pattern`` is more than a plain path; a backslash alone does not make it one."""
    return any(one in pattern for one in "*?[{")


def split_pattern(pattern: str) -> tuple[str, str]:
    """Return the literal folder that a pattern begins with (``.`` where there is none) and the rest."""
    first = min((index for index in map(pattern.find, _WILDCARDS) if index >= 0), default=len(pattern))
    slash = pattern.rfind("/", 0, first)
    if slash < 0:
        return ".", pattern
    return pattern[:slash] or "/", pattern[slash + 1 :]


def matches(pattern: str, path: str) -> bool:
    """Tell whether the whole of ``path`` matches.

    :raises UsageError: for a pattern that is none.
    """
    return any(_match_parts(one, tuple(path.split("/"))) for one in _alternatives(pattern))


def find(pattern: str) -> list[str]:
    """Return what matches below the working directory, in the order of a walk, each once.

    :raises UsageError: for a pattern that is none.
    """
    if not has_wildcard(pattern):
        # a path that is a dangling link is no match, as with gitlab-runner
        return [pattern] if os.path.exists(pattern) else []
    base, rest = split_pattern(pattern)
    found: dict[str, None] = {}
    for parts in _alternatives(rest):
        for one in _walk("" if base == "." else base, parts):
            found[one or "."] = None
    return list(found)


def _walk(folder: str, parts: tuple[str, ...]) -> Iterator[str]:
    """Yield matches of ``parts`` below ``folder``; a stack, for trees are deeper than calls may be."""
    stack = [(folder, 0, True)]
    seen: set[tuple[str, int]] = set()
    while stack:
        path, index, literal = stack.pop()
        if (path, index) in seen:
            continue
        seen.add((path, index))
        if index == len(parts):
            yield path
            continue
        part = parts[index]
        if part == "**":
            children = [(_join(path, name), index, False) for name, is_folder in _children(path) if is_folder]
            if index + 1 == len(parts):
                yield path
                files = [_join(path, name) for name, is_folder in _children(path) if not is_folder]
                yield from files
                stack.extend(reversed(children))
            else:
                stack.extend(reversed([(path, index + 1, False), *children]))
        elif not any(one in part for one in _WILDCARDS):
            # a name without wildcards that stands behind one: its link is not passed through
            below = _join(path, part)
            if os.path.lexists(below) and (index + 1 == len(parts) or literal or _is_folder(below)):
                stack.append((below, index + 1, literal))
        else:
            expression = _expression(part)
            last = index + 1 == len(parts)
            stack.extend(
                (_join(path, name), index + 1, False)
                for name, is_folder in reversed(_children(path))
                if (last or is_folder) and expression.fullmatch(name)
            )


def _children(folder: str) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder or ".") as entries:
            return sorted((one.name, one.is_dir(follow_symlinks=False)) for one in entries)
    except OSError:
        return []  # vanished, or not ours to read: it has nothing that could be archived


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}" if folder else name


def _match_parts(parts: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Match part by part, with the one place to go back to that wildcards of this kind ever need."""
    part = name = 0
    star, mark = -1, 0
    while name < len(names):
        if part < len(parts) and parts[part] == "**":
            star, mark = part, name
            part += 1
        elif part < len(parts) and _expression(parts[part]).fullmatch(names[name]):
            part += 1
            name += 1
        elif star >= 0:
            mark += 1
            part, name = star + 1, mark
        else:
            return False
    return all(one == "**" for one in parts[part:])


@lru_cache(maxsize=256)
def _alternatives(pattern: str) -> tuple[tuple[str, ...], ...]:
    """Expand braces and split each alternative into its parts."""
    done: list[str] = []
    left = [pattern]
    while left:
        if len(done) + len(left) > _MOST_ALTERNATIVES:
            raise UsageError("syntax error in pattern")
        one = left.pop(0)
        span = _first_braces(one)
        if span is None:
            done.append(one)
            continue
        start, end, commas = span
        cuts = [start, *commas, end]
        left[:0] = [one[:start] + one[a + 1 : b] + one[end + 1 :] for a, b in pairwise(cuts)]
    return tuple(dict.fromkeys(tuple(part for part in one.split("/") if part) for one in done if one))


def _first_braces(text: str) -> tuple[int, int, list[int]] | None:
    depth, start, in_class = 0, 0, False
    commas: list[int] = []
    index = 0
    while index < len(text):
        char = text[index]
        if char == "\\":
            index += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == "{":
            start = index if depth == 0 else start
            depth += 1
        elif char == "}" and depth:
            depth -= 1
            if depth == 0:
                return start, index, commas
        elif char == "," and depth == 1:
            commas.append(index)
        index += 1
    if depth:
        raise UsageError("syntax error in pattern")
    return None


@lru_cache(maxsize=1024)
def _expression(part: str) -> re.Pattern[str]:
    out, index = "", 0
    while index < len(part):
        char = part[index]
        if char == "*":
            # stars in a row say no more than one, and would cost exponentially much
            out += "" if out.endswith("[^/]*") else "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "\\" and index + 1 < len(part):
            index += 1
            out += re.escape(part[index])
        elif char == "[":
            end = part.find("]", index + 2)
            if end < 0:
                raise UsageError("syntax error in pattern")
            body = part[index + 1 : end]
            inverted = body[0] in "^!"
            body = body[1:] if inverted else body
            text = "".join("-" if one == "-" else re.escape(one) for one in body)
            out += f"[{'^' if inverted else ''}{text}]"
            index = end
        else:
            out += re.escape(char)
        index += 1
    try:
        return re.compile(out, re.DOTALL)
    except re.error:
        raise UsageError("syntax error in pattern") from None
