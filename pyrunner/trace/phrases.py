"""Secret values are replaced wherever they appear in a stream (job-execution.md 6.5, phrases).

The result is that of whole-text replacement, one phrase after the other, the longest first; it does not
depend on how the text is cut into writes. ``[MASKED]`` itself is never altered: a phrase such as ``ASK``
is looked for between its occurrences only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

MASK: Final = b"[MASKED]"
#: How much of a phrase is looked for at the end of a block to find where it may begin, and how many such
#: places are compared before a search takes over that is linear whatever the text.
_PROBE: Final = 8
_TRIES: Final = 16


class PhraseMasker:
    """Replaces phrases in a stream.

    :param phrases: values to hide, in any order; empty ones are left out.
    """

    def __init__(self, phrases: Sequence[bytes]) -> None:
        ordered = sorted(
            {phrase for phrase in phrases if phrase}, key=lambda one: (len(one), one), reverse=True
        )
        self._filters: list[_Filter] = [
            _GuardedFilter(phrase) if _touches_mask(phrase) else _PhraseFilter(phrase) for phrase in ordered
        ]

    def feed(self, data: bytes) -> bytes:
        """Take a write; return what is certain by now."""
        for one in self._filters:
            if not data:
                break
            data = one.feed(data)
        return data

    def close(self) -> bytes:
        """Return what was held back; the masker can be used again from the start."""
        data = b""
        for one in self._filters:
            data = one.feed(data) + one.close()
        return data


class _Filter(Protocol):
    def feed(self, data: bytes) -> bytes: ...

    def close(self) -> bytes: ...


class _PhraseFilter:
    """Replaces one phrase that cannot be mistaken for a part of the mask.

    Only the number of bytes held back is kept: they are the beginning of the phrase.
    """

    def __init__(self, phrase: bytes) -> None:
        self._phrase = phrase
        self._overlap = _Overlap(phrase)
        self._held = 0

    def feed(self, data: bytes) -> bytes:
        phrase = self._phrase
        held = self._held
        if held:
            if len(data) < len(phrase) - held and phrase.startswith(data, held):
                self._held = held + len(data)
                return b""
            data = phrase[:held] + data
        rest = data
        if phrase in data:
            parts = data.split(phrase)
            rest = parts[-1]
            data = MASK.join(parts)
        self._held = held = self._overlap.length(rest)
        return data[: len(data) - held] if held else data

    def close(self) -> bytes:
        held, self._held = self._held, 0
        return self._phrase[:held]


class _GuardedFilter:
    """Replaces one phrase that is a part of the mask, or could begin or end in one."""

    def __init__(self, phrase: bytes) -> None:
        self._phrase = phrase
        self._overlap = _Overlap(phrase)
        self._mask_overlap = _Overlap(MASK)
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        if not data:
            return b""
        pieces = (self._held + data).split(MASK)
        last = pieces.pop()
        done = [piece.replace(self._phrase, MASK) for piece in pieces]
        certain, self._held = self._resolve(last)
        return MASK.join([*done, certain])

    def close(self) -> bytes:
        held, self._held = self._held, b""
        return held.replace(self._phrase, MASK)

    def _resolve(self, text: bytes) -> tuple[bytes, bytes]:
        """Split what follows the last mask into its final form and what more bytes may change."""
        phrase = self._phrase
        # A mask may begin here; a match that reaches into it is not certain yet.
        edge = len(text) - self._mask_overlap.length(text)
        kept: list[bytes] = []
        start = 0
        while (at := text.find(phrase, start, edge)) >= 0:
            kept.append(text[start:at])
            start = at + len(phrase)
        rest = text[start:]
        open_from = min(edge - start, len(rest) - self._overlap.length(rest))
        crossing = rest.find(phrase)
        if crossing >= 0:
            open_from = min(open_from, crossing)
        kept.append(rest[:open_from])
        return MASK.join(kept), rest[open_from:]


class _Overlap:
    """Finds the longest end of a text that is a beginning, not the whole, of a phrase."""

    def __init__(self, phrase: bytes) -> None:
        self._phrase = phrase
        self._probe = phrase[:_PROBE]
        self._first = phrase[:1]
        self._borders: list[int] | None = None

    def length(self, text: bytes) -> int:
        phrase = self._phrase
        size = len(text)
        start = max(0, size - len(phrase) + 1)
        if start + _PROBE <= size:
            at = text.find(self._probe, start)
            for _ in range(_TRIES):
                if at < 0:
                    break
                if phrase.startswith(text[at:]):
                    return size - at
                at = text.find(self._probe, at + 1)
            else:
                if at >= 0:
                    return self._linear(text[at:])
            start = size - _PROBE + 1
        at = text.find(self._first, start)
        while at >= 0:
            if phrase.startswith(text[at:]):
                return size - at
            at = text.find(self._first, at + 1)
        return 0

    def _linear(self, text: bytes) -> int:
        """Take a text in which many positions look like a beginning (Knuth, Morris and Pratt)."""
        phrase = self._phrase
        borders = self._borders
        if borders is None:
            borders = self._borders = _borders(phrase)
        matched = 0
        for byte in text:
            while matched and phrase[matched] != byte:
                matched = borders[matched - 1]
            if phrase[matched] == byte:
                matched += 1
        return matched


def _borders(phrase: bytes) -> list[int]:
    """Return for each beginning of ``phrase`` how long its longest own end is that it also begins with."""
    borders = [0] * len(phrase)
    matched = 0
    for index in range(1, len(phrase)):
        while matched and phrase[matched] != phrase[index]:
            matched = borders[matched - 1]
        if phrase[matched] == phrase[index]:
            matched += 1
        borders[index] = matched
    return borders


def _touches_mask(phrase: bytes) -> bool:
    """Tell whether an occurrence of ``phrase`` could share bytes with a mask.

    A phrase that holds a whole mask is not meant: it is replaced as it stands.
    """
    if MASK in phrase:
        return False
    if phrase in MASK:
        return True
    return any(
        phrase.endswith(MASK[:size]) or phrase.startswith(MASK[-size:]) for size in range(1, len(MASK))
    )
