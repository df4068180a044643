"""The chain of maskers, and the lists it is made from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyrunner.trace.masking import Masker, active_token_prefixes, default_token_prefixes, mask_phrases
from tests.unit.trace.cutting import cut, stream
from tests.unit.trace.reference import hide_phrases, hide_tokens, hide_url_parameters

FRAGMENTS = [
    b"secret",
    b"sec",
    b"ret",
    b"glpat-",
    b"glrt-",
    b"gl",
    b"pat-",
    b"?",
    b"&",
    b"rss_token=",
    b"rss_",
]
FRAGMENTS += [
    b"token=",
    b"=",
    b" ",
    b"\n",
    b"\xc2\xa0",
    b"\xe2\x80",
    b"\x80",
    b"[MASKED]",
    b"[MASK",
    b"ED]",
    b"A",
]
TEXT = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(b"".join)


def test_phrases_are_trimmed_unique_and_sorted() -> None:
    """Values lose white space around them; empty ones and duplicates go; the longest comes first (6.5)."""
    assert mask_phrases([" ab\n", "", "ab", " \t", "longer one", "b", "\u3000x y\u2003"]) == [
        b"longer one",
        b"x y",
        b"ab",
        b"b",
    ]


def test_a_multi_line_value_is_one_phrase() -> None:
    """The newlines inside a value belong to the phrase (6.5)."""
    masker = Masker(mask_phrases(["one\ntwo\n"]), [])
    assert stream(masker, [b"one\nthree one\ntwo\n"]) == b"one\nthree [MASKED]\n"


def test_default_prefixes() -> None:
    """``glpat-`` is always masked, the others with FF_MASK_ALL_DEFAULT_TOKENS (6.5)."""
    assert default_token_prefixes(False) == ["glpat-"]
    assert len(default_token_prefixes(True)) == 14
    assert {"_gitlab_session=", "glagent-", "gltok-"} < set(default_token_prefixes(True))


def test_only_the_fifteen_shortest_prefixes_are_active() -> None:
    """After trimming, removing duplicates and sorting by length, what is beyond 15 is not acted on (6.5)."""
    own = [f"mask{number}-" for number in range(1, 12)]
    active = active_token_prefixes([*own, " mask1- ", "", *default_token_prefixes(True)])
    assert len(active) == 15
    assert active[0] == b"gldt-"
    assert b"mask10-" not in active
    assert b"_gitlab_session=" not in active
    assert [len(one) for one in active] == sorted(len(one) for one in active)


def test_filters_work_in_their_order() -> None:
    """Phrases are hidden first, then URL parameters, then tokens (6.4)."""
    masker = Masker([b"hunter2"], [b"glpat-"])
    text = b"a hunter2 ?private_token=glpat-x&b=glpat-hunter2y z"
    assert stream(masker, [text]) == b"a [MASKED] ?private_token=[MASKED]&b=glpat-[MASKED][MASKED] z"


@given(TEXT, st.data())
def test_the_chain_does_not_depend_on_cuts(text: bytes, data: st.DataObject) -> None:
    """However a text is cut into writes, the result is that of the rules on the whole text."""
    phrases = [b"secret", b"A", b"retgl", b"t\n?", b"]"]
    prefixes = [b"glpat-", b"glrt-", b"gl"]
    expected = hide_tokens(hide_url_parameters(hide_phrases(text, phrases)), prefixes)
    assert stream(Masker(phrases, prefixes), cut(text, data)) == expected


@given(TEXT)
def test_a_masker_starts_anew_after_close(text: bytes) -> None:
    """Nothing of a closed stream shows in the next one."""
    masker = Masker([b"secret"], [b"glpat-"])
    first = stream(masker, [text])
    assert stream(masker, [text]) == first
