"""Secret URL parameters are replaced in a stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.trace.urlparameters import UrlParameterMasker
from tests.unit.trace.cutting import cut, stream
from tests.unit.trace.reference import WHITE_OR_CONTROL, hide_url_parameters

FRAGMENTS = [
    b"?",
    b"&",
    b"private_token",
    b"RSS_token",
    b"x-amz-",
    b"signature",
    b"security-token",
    b"=",
    b"abc",
]
FRAGMENTS += [
    b" ",
    b"\n",
    b"\b",
    b"\xc2",
    b"\xa0",
    b"\xe2\x80\x83",
    b"\xe2",
    b"\x80",
    b"\xe3\x80",
    b"\xf0\x9f\x98\x80",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see http://x/?test=foobar", "see http://x/?test=foobar"),
        ("?private_token=deadbeef and on", "?private_token=[MASKED] and on"),
        ("?a=b&authenticity_token=deadbeef", "?a=b&authenticity_token=[MASKED]"),
        ("?X-AMZ-sigNATure=d&rss_token=!@#$A&t=t", "?X-AMZ-sigNATure=[MASKED]&rss_token=[MASKED]&t=t"),
        ("?x-amz-cred|ential=abc|def", "?x-amz-credential=[MASKED]"),
        ("|&||x-amz-security-tok|en|=|abc", "&x-amz-security-token=[MASKED]"),
        ("?rss_token=a\b?rss_token=b\nc", "?rss_token=[MASKED]\b?rss_token=[MASKED]\nc"),
        ("?x-amz-credential=&private_token=", "?x-amz-credential=[MASKED]&private_token=[MASKED]"),
        ("?x-amz-credential=|", "?x-amz-credential=[MASKED]"),
        ("a=b rss_token=shown ?my_rss_token=shown", "a=b rss_token=shown ?my_rss_token=shown"),
        ("?private_token2=shown ?private_token", "?private_token2=shown ?private_token"),
        ("??rss_token=a&&rss_token=b", "??rss_token=[MASKED]&&rss_token=[MASKED]"),
        ("?rss_token=a\u3000b", "?rss_token=[MASKED]\u3000b"),
    ],
)  # fmt: skip
def test_examples(text: str, expected: str) -> None:
    """The rule of job-execution.md 6.5, case by case; ``|`` is the boundary of a write."""
    assert stream(UrlParameterMasker(), text.encode().split(b"|")) == expected.encode()


@pytest.mark.parametrize("end", WHITE_OR_CONTROL)
def test_white_space_and_control_characters_end_a_value(end: bytes) -> None:
    """Each of Unicode's white space and control characters ends a value, also when cut in the middle."""
    text = b"?rss_token=abc" + end + b"d"
    for place in range(len(text) + 1):
        assert (
            stream(UrlParameterMasker(), [text[:place], text[place:]]) == b"?rss_token=[MASKED]" + end + b"d"
        )


def test_names_pass_at_once() -> None:
    """Only values are held back: a name shows as it comes."""
    assert UrlParameterMasker().feed(b"see ?private_tok") == b"see ?private_tok"


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map(b"".join), st.data())
def test_result_does_not_depend_on_cuts(text: bytes, data: st.DataObject) -> None:
    """Any text, any cuts: as if the whole were replaced at once."""
    assert stream(UrlParameterMasker(), cut(text, data)) == hide_url_parameters(text)
