"""The globs of ``allowed_images`` and its like: github.com/bmatcuk/doublestar (docker-executor.md 3.1).

``*`` and ``?`` stop at ``/``; ``**`` as a whole segment spans segments, elsewhere it is a ``*``; ``{a,b}``
may nest; a backslash takes the next character as it is. A pattern is matched by RE2, in linear time: image
names come from pipelines. One thing is stricter: ``[!..]`` never matches ``/``. doublestar lets it, but does
not look for that match behind a ``*``; to find it there would allow more than gitlab-runner does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Final

#: Alternatives that the braces of one pattern may stand for; more is no pattern anybody means.
_MOST_ALTERNATIVES: Final = 1000
#: Stands in an expanded pattern where a brace was: a ``**`` there begins a segment, as in doublestar.
_SEGMENT: Final = "\0"
_NAME: Final = "[^/]*"
_TAILS: Final = {"/**": "(?:/.*)?", "/**/": "(?:/(?:[^/]*/)*)?"}


class BadPattern(Exception):
    """The pattern is malformed; never leaves this module."""


def matches(pattern: str, name: str) -> bool:
    """Tell whether all of ``name`` matches; a malformed pattern matches nothing."""
    if "\0" in name or "\0" in pattern:
        return False
    compiled = _compile(pattern)
    try:
        return compiled is not None and compiled.fullmatch(name) is not None
    except UnicodeEncodeError:  # a lone surrogate: no image is called so
        return False


@functools.lru_cache(maxsize=512)
def _compile(pattern: str) -> Any:
    """Return the compiled expression; None when no alternative can match."""
    # imported here: only runners with an allow list need it
    import re2  # type: ignore[import-untyped]

    written: list[str] = []
    try:
        for count, one in enumerate(_alternatives(pattern)):
            if count == _MOST_ALTERNATIVES:
                return None
            written.append(_translate(one))
    except BadPattern:
        pass  # alternatives before the malformed one do count
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile("(?s)(?:" + "|".join(written) + ")", options) if written else None
    except (re2.error, UnicodeEncodeError):  # too big, or a lone surrogate
        return None


def _alternatives(pattern: str) -> Iterator[str]:
    """Yield what the braces stand for, in order.

    :raises BadPattern: where a brace is never closed.
    """
    start = _opening_brace(pattern)
    if start is None:
        yield pattern
        return
    depth, cuts, at = 0, [start], start
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == "{":
            depth += 1
        elif pattern[at] == "," and depth == 1:
            cuts.append(at)
        elif pattern[at] == "}":
            depth -= 1
            if depth == 0:
                break
        at += 1
    else:
        raise BadPattern
    for begin, end in zip(cuts, [*cuts[1:], at], strict=True):
        yield from _alternatives(pattern[:start] + _SEGMENT + pattern[begin + 1 : end] + pattern[at + 1 :])


def _opening_brace(pattern: str) -> int | None:
    """Return the first brace outside of a class; a class that is not closed ends the search."""
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == "[":
            at = _class_end(pattern, at)
        elif pattern[at] == "{":
            return at
        at += 1
    return None


def _class_end(pattern: str, start: int) -> int:
    """Return where the class that begins at ``start`` has its ``]``.

    :raises BadPattern: when it has none, or nothing before it.
    """
    at = start + 1
    if pattern[at : at + 1] in ("!", "^"):
        at += 1
    if pattern[at : at + 1] in ("]", ""):
        raise BadPattern
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 1
        elif pattern[at] == "]":
            return at
        at += 1
    raise BadPattern


def _translate(pattern: str) -> str:
    """Return a pattern without braces as an expression.

    :raises BadPattern: when it is malformed.
    """
    parts: list[str] = []
    at, segment = 0, True
    while at < len(pattern):
        char = pattern[at]
        if char == _SEGMENT:
            segment, at = True, at + 1
            continue
        if not (segment and char == "*") and (tail := _tail(pattern[at:])):
            parts.append(tail)
            break
        if char == "*":
            text, at = _stars(pattern, at, segment)
            segment = text.endswith("/)*")
            parts.append(text)
            continue
        segment = False
        if char == "?":
            parts.append("[^/]")
        elif char == "[":
            end = _class_end(pattern, at)
            parts.append(_class(pattern[at + 1 : end]))
            at = end
        else:
            if char == "\\":
                at += 1
                if at >= len(pattern):
                    raise BadPattern
            segment = pattern[at] == "/"
            parts.append(_quoted(pattern[at]))
        at += 1
    return "".join(parts)


def _stars(pattern: str, at: int, segment: bool) -> tuple[str, int]:
    """Return the expression for the star, or two, at ``at``, and where the pattern goes on."""
    if not pattern.startswith("**", at):
        return _NAME, at + 1
    after = at + 2
    if segment and after == len(pattern):
        return ".*", after
    if segment and pattern[after] == "/":
        return "(?:[^/]*/)*", after + 1
    return _NAME, after


def _tail(rest: str) -> str:
    """Return the expression for a rest that says something of its own about the end of a name, else "".

    ``a/**`` also stands for ``a``, but ``a*/**`` and ``a***`` do not: so it is in doublestar.
    """
    if rest in _TAILS:
        return _TAILS[rest]
    stars = len(rest) - len(rest.lstrip("*"))
    after = rest[stars:]
    if stars and after in ("/**", "/**/"):
        return f"(?:[^/]+|[^/]*{_TAILS[after].removesuffix('?')})"
    return "[^/]+" if stars > 2 and not after else ""


def _class(body: str) -> str:
    inverted = body[0] in "!^"
    at = 1 if inverted else 0
    items: list[str] = []
    last = ""
    while at < len(body):
        char = body[at]
        if char == "-" and last and at + 1 < len(body):
            at += 2 if body[at + 1] == "\\" else 1
            if at < len(body) and last <= body[at]:
                items.append(f"{_quoted(last)}-{_quoted(body[at])}")
            last = ""
        else:
            if char == "\\":
                at += 1
                char = body[at : at + 1]
            items.append(_quoted(char))
            last = char
        at += 1
    text = "".join(items)
    return f"[^/{text}]" if inverted else f"[{text}]"


def _quoted(char: str) -> str:
    """Return ``char`` so that it means itself, in a class and outside."""
    return char if char.isalnum() or ord(char) > 127 else f"\\x{{{ord(char):x}}}"
