"""Phrases are replaced in a stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.trace.phrases import PhraseMasker
from tests.unit.trace.cutting import cut, stream
from tests.unit.trace.reference import hide_phrases

SMALL = st.lists(
    st.sampled_from([b"a", b"b", b"\n", b"[", b"]", b"M", b"[MASKED]", b"ED]"]), max_size=40
).map(b"".join)


@pytest.mark.parametrize(
    ("text", "phrases", "expected"),
    [
        ("s|secrets", ["secrets"], "s[MASKED]"),
        ("prefix_|mask mas|k", ["mask", "prefix_mask"], "[MASKED] [MASKED]"),
        ("this is the en| foobar", ["this is the end", "en foobar", "en"], "this is the [MASKED]"),
        ("xfoox", ["foo"], "x[MASKED]x"),
        ("nothing to hide", [""], "nothing to hide"),
        ("nothing to hide", [], "nothing to hide"),
        ("secretssecrets", ["secrets"], "[MASKED][MASKED]"),
        ("Secrets", ["secrets"], "Secrets"),
        ("xfo|ox ffo|o ba|rr b|barr", ["foo", "bar"], "x[MASKED]x f[MASKED] [MASKED]r b[MASKED]r"),
        ("sp|lit al|l |mask|ed", ["split", "all", "masked"], "[MASKED] [MASKED] [MASKED]"),
        ("big " + "_" * 8000 + "|" + "_" * 8000, ["_" * 16000], "big [MASKED]"),
        ("aa|ab", ["aab"], "a[MASKED]"),
        ("unfinished sec", ["secrets"], "unfinished sec"),
        ("a secret", ["secret", "ASK", "A", "[", "]"], "a [MASKED]"),
        ("x[y x|[MASKED] x[", ["x["], "[MASKED]y x[MASKED] [MASKED]"),
        ("a[MASKED]b", ["a[MASKED]b"], "[MASKED]"),
    ],
)  # fmt: skip
def test_examples(text: str, phrases: list[str], expected: str) -> None:
    """The table of job-execution.md 6.5, and its neighbours; ``|`` is the boundary of a write."""
    masker = PhraseMasker([phrase.encode() for phrase in phrases])
    assert stream(masker, text.encode().split(b"|")) == expected.encode()


def test_text_is_held_back_only_while_it_may_be_a_phrase() -> None:
    """What cannot become a phrase any more comes out with the write that decides it."""
    masker = PhraseMasker([b"secrets"])
    assert masker.feed(b"a sec") == b"a "
    assert masker.feed(b"re") == b""
    assert masker.feed(b"t!") == b"secret!"


@given(SMALL, st.lists(SMALL.filter(bool), max_size=4), st.data())
def test_result_does_not_depend_on_cuts(text: bytes, phrases: list[bytes], data: st.DataObject) -> None:
    """Any text, any phrases (parts of the mask too), any cuts: as if the whole were replaced at once."""
    assert stream(PhraseMasker(phrases), cut(text, data)) == hide_phrases(text, phrases)


@given(st.integers(1, 60), st.integers(20, 60), st.lists(st.integers(1, 70), max_size=8))
def test_self_similar_phrases(period: int, size: int, pieces: list[int]) -> None:
    """A phrase that repeats itself is found at its first place, however many places look like it."""
    phrase = (b"_" * period + b"x" + b"_" * size)[: max(20, size)]
    text = b"".join((b"_" * piece + b"x") for piece in pieces) + phrase + b"_" * 30
    for step in (1, 3, 17, 64):
        writes = [text[start : start + step] for start in range(0, len(text), step)]
        assert stream(PhraseMasker([phrase]), writes) == text.replace(phrase, b"[MASKED]")
