"""Metadata that goes through headers and signatures unchanged."""

from __future__ import annotations

import base64

import pytest

from pyrunner.build.remote.metadata import header_values, metadata_headers


def test_plain_values_stay() -> None:
    """With the provider's prefix."""
    assert metadata_headers("x-amz-meta-", {"cachekey": "a b/c"}) == {"x-amz-meta-cachekey": "a b/c"}


@pytest.mark.parametrize("value", ["ä", "a\nb: c", "a\r", " a", "a  b", "\x7f", "\udcff"])
def test_others_are_encoded_words(value: str) -> None:
    """No key ends a header, and none is signed differently from what is sent."""
    encoded = header_values({"cachekey": value})["cachekey"]
    assert encoded.isascii()
    assert encoded.isprintable()
    word = encoded.removeprefix("=?UTF-8?B?").removesuffix("?=")
    assert base64.b64decode(word).decode("utf-8", "surrogateescape") == value


def test_what_is_too_long_is_left_out() -> None:
    """The archive is stored all the same."""
    assert header_values({"cachekey": "x" * 2000, "other": "y"}) == {"other": "y"}
