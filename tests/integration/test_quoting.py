"""Quoting against real shells: whatever the text, it arrives as it is (job-execution.md 5.4)."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyrunner.shells.quoting import Expanded, Quote, encode, quote_ansi_c, quote_posix, quote_word

pytestmark = pytest.mark.integration

SHELLS = [("bash", quote_ansi_c), ("bash", quote_posix), ("dash", quote_posix)]
TEXTS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
        st.text("'\"\\$`!{}()[];&|<>*?~#= \n\t\r\x1bab%", max_size=40),
    ),
    min_size=1,
    max_size=30,
)
RELAXED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def arguments_seen(shell: str, words: str) -> list[bytes]:
    """Return what a command in ``shell`` gets for ``words``."""
    script = f"printf '%s\\0' {words}"
    done = subprocess.run([shell], input=script.encode(), capture_output=True, check=True)
    return done.stdout.split(b"\0")[:-1]


@pytest.mark.parametrize(("shell", "quote"), SHELLS)
@RELAXED
@given(texts=TEXTS)
def test_a_quoted_word_arrives_as_it_is(shell: str, quote: Quote, texts: list[str]) -> None:
    """Also when quoted twice for ``eval``, as every body is."""
    words = " ".join(map(quote, texts))
    assert arguments_seen(shell, words) == [encode(one) for one in texts]
    body = quote(f"printf '%s\\0' {words}")
    done = subprocess.run([shell], input=f"eval {body}".encode(), capture_output=True, check=True)
    assert done.stdout.split(b"\0")[:-1] == [encode(one) for one in texts]


@pytest.mark.parametrize(("shell", "quote"), SHELLS)
@RELAXED
@given(texts=TEXTS)
def test_only_the_variable_of_an_expanded_word_is_expanded(
    shell: str, quote: Quote, texts: list[str]
) -> None:
    """Everything around it stays."""
    words = " ".join(quote_word(Expanded("HERE", one, prefix=one), quote) for one in texts)
    done = subprocess.run(
        [shell], input=f"HERE='a b'; printf '%s\\0' {words}".encode(), capture_output=True, check=True
    )
    assert done.stdout.split(b"\0")[:-1] == [encode(one) + b"a b" + encode(one) for one in texts]
