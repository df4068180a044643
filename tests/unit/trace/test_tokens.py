"""Tokens are replaced in a stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.trace.tokens import TokenMasker
from tests.unit.trace.cutting import cut, stream
from tests.unit.trace.reference import hide_tokens

FRAGMENTS = [
    b"glpat-",
    b"glpat",
    b"gl",
    b"-",
    b"#",
    b"##",
    b"!",
    b"a",
    b"=",
    b" ",
    b"\n",
    b"\xff",
    b"[MASKED]",
    b"[MAS",
    b"KED]",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a glpat-imperdiet in", "a glpat-[MASKED] in"),
        ("esseglpat-imp=_-.0 end", "esseglpat-[MASKED] end"),
        ("glpat-impglpat-erdiet x", "glpat-[MASKED] x"),
        ("gl|pat|-imp|erdiet", "glpat-[MASKED]"),
        ("glpat| -x", "glpat -x"),
        ("glpat-| x", "glpat- x"),
        ("ends with glpat-", "ends with glpat-"),
        ("glrt-ab, glpat-cd", "glrt-[MASKED], glpat-[MASKED]"),
        ("_gitlab_session=abc;", "_gitlab_session=[MASKED];"),
        ("GLPAT-abc", "GLPAT-abc"),
        ("glpat-ab[MASKED]cd x", "glpat-[MASKED][MASKED] x"),
        ("glpat-ab[MA|SK x", "glpat-[MASKED][MASK x"),
        ("glpat-[MA", "glpat-[MA"),
    ],
)
def test_examples(text: str, expected: str) -> None:
    """The rule of job-execution.md 6.5, case by case; ``|`` is the boundary of a write."""
    masker = TokenMasker([b"glpat-", b"glrt-", b"_gitlab_session="])
    assert stream(masker, text.encode().split(b"|")) == expected.encode()


def test_prefixes_pass_at_once() -> None:
    """Only the token is held back: its prefix shows as it comes."""
    masker = TokenMasker([b"glpat-"])
    assert masker.feed(b"a gl") == b"a gl"
    assert masker.feed(b"pat-") == b"pat-"
    assert masker.feed(b"abc") == b""


def test_a_prefix_of_one_byte() -> None:
    """A token that is cut right after the shortest of prefixes is hidden."""
    assert stream(TokenMasker([b"-"]), [b"-", b"a", b" b"]) == b"-[MASKED] b"


@given(
    st.lists(st.sampled_from(FRAGMENTS), max_size=25).map(b"".join),
    st.lists(st.sampled_from([b"glpat-", b"gl", b"-", b"#!#", b"##", b"t-#", b"]a"]), max_size=5),
    st.data(),
)
def test_result_does_not_depend_on_cuts(text: bytes, prefixes: list[bytes], data: st.DataObject) -> None:
    """Any text, any prefixes (self-overlapping too), any cuts: as if the whole were replaced at once."""
    assert stream(TokenMasker(prefixes), cut(text, data)) == hide_tokens(text, prefixes)
