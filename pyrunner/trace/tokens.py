"""What follows a known token prefix is replaced (job-execution.md 6.5, token prefixes)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pyrunner.trace.phrases import MASK
from pyrunner.trace.text import WHITE_SPACE, to_bytes

_ALWAYS: Final = ("glpat-",)
_DEFAULT: Final = (
    "gloas-",
    "gldt-",
    "glrt-",
    "glcbt-",
    "glrtr-",
    "glptt-",
    "glft-",
    "glimt-",
    "glagent-",
    "glsoat-",
    "glffct-",
    "_gitlab_session=",
    "gltok-",
)
#: Prefixes beyond this many are not active.
_MOST: Final = 15

# A value masked by an earlier filter is a part of the token, not its end.
_TOKEN: Final = re.compile(rb"(?:[A-Za-z0-9\-._=]++|\[MASKED\])*+")


def default_token_prefixes(all_kinds: bool) -> list[str]:
    """Return the prefixes of GitLab's own tokens.

    :param all_kinds: ``FF_MASK_ALL_DEFAULT_TOKENS``; without it personal access tokens only.
    """
    return [*_ALWAYS, *_DEFAULT] if all_kinds else [*_ALWAYS]


def active_token_prefixes(prefixes: Iterable[str]) -> list[bytes]:
    """Return the prefixes that are acted on: trimmed, each once, the shortest 15, shortest first."""
    trimmed = {to_bytes(prefix.strip(WHITE_SPACE)) for prefix in prefixes}
    return sorted(trimmed - {b""}, key=lambda one: (len(one), one))[:_MOST]


class TokenMasker:
    """Replaces tokens in a stream, prefix by prefix, the longest first; prefixes pass at once.

    :param prefixes: the active ones, see :func:`active_token_prefixes`.
    """

    def __init__(self, prefixes: Sequence[bytes]) -> None:
        ordered = sorted(set(prefixes), key=lambda one: (len(one), one), reverse=True)
        self._filters = [_TokenFilter(prefix) for prefix in ordered]
        self._any = [_group(start, ordered) for start in sorted({prefix[:2] for prefix in ordered})]
        self._reach = max((len(prefix) for prefix in ordered), default=1) - 1
        #: The end of what came in, in which a prefix may have begun.
        self._tail = b""
        #: How many bytes came in since a filter last met its prefix: beyond the reach of a prefix, all
        #: filters have seen the same, and a look for any prefix at all can stand for them.
        self._clean = self._reach + 1

    def feed(self, data: bytes) -> bytes:
        """Take a write; return what is certain by now."""
        text = self._tail + data
        tail, self._tail = self._tail, text[-self._reach :] if self._reach else b""
        if self._clean > self._reach:
            if not any(one.search(text) for one in self._any):
                return data
            for one in self._filters:
                one.remember(tail)
        out = data
        for one in self._filters:
            out = one.feed(out)
        met = any(one.met for one in self._filters)
        self._clean = 0 if met else self._clean + len(data)
        return out

    def close(self) -> bytes:
        """End a token that runs to the end of the stream; the masker can be used again from the start."""
        data = b""
        for one in self._filters:
            data = one.feed(data) + one.close()
        self._tail = b""
        self._clean = self._reach + 1
        return data


def _group(start: bytes, prefixes: Sequence[bytes]) -> re.Pattern[bytes]:
    """Return a pattern for all prefixes with the same first bytes: a literal start is found quickly."""
    endings = [re.escape(prefix[len(start) :]) for prefix in prefixes if prefix.startswith(start)]
    return re.compile(re.escape(start) + b"(?:" + b"|".join(endings) + b")")


class _TokenFilter:
    """Replaces what follows one prefix."""

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        #: The end of what has passed, in which the prefix may have begun.
        self._tail = b""
        #: The prefix has passed, and what follows is its token so far; something of it is hidden.
        self._inside = False
        self._hidden = False
        #: The beginning of a mask within a token.
        self._partial = b""
        #: The last write held the prefix, or a part of what follows it.
        self.met = False

    def remember(self, passed: bytes) -> None:
        """Take note of what has passed outside any token, whether this filter has been shown it or not."""
        reach = len(self._prefix) - 1
        self._tail = passed[-reach:] if reach else b""

    def feed(self, data: bytes) -> bytes:
        self.met = self._inside
        text = (self._partial if self._inside else self._tail) + data
        if not self._inside and self._prefix not in text:
            self.remember(text)
            return data
        self.met = True
        passed = len(self._tail)
        out: list[bytes] = []
        at = 0
        while True:
            if self._inside:
                end = _end_of_token(text, at)
                masks = text.count(MASK, at, end)
                out.append(MASK * masks)
                self._hidden = self._hidden or end - at > masks * len(MASK)
                self._partial = text[end:] if MASK.startswith(text[end : end + len(MASK)]) else b""
                if self._partial or end == len(text):
                    self._tail = b""
                    break
                if self._hidden:
                    out.append(MASK)
                self._inside = self._hidden = False
                at = passed = end
            start = text.find(self._prefix, at)
            if start < 0:
                out.append(text[passed:])
                self.remember(text[at:])
                break
            at = start + len(self._prefix)
            out.append(text[passed:at])
            self._inside = True
        return b"".join(out)

    def close(self) -> bytes:
        out = (MASK if self._hidden else b"") + self._partial
        self._tail = self._partial = b""
        self._inside = self._hidden = self.met = False
        return out


def _end_of_token(text: bytes, start: int) -> int:
    found = _TOKEN.match(text, start)
    return found.end() if found else start
