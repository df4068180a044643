"""Short tokens."""

from __future__ import annotations

import pytest

from pyrunner.protocol.tokens import short_token


@pytest.mark.parametrize(
    ("token", "short"),
    [
        ("glrt-t3_AbCdEf123456", "AbCdEf123"),
        ("glrt-AbCdEf123456", "AbCdEf123"),
        ("t1_AbCdEf123456", "AbCdEf123"),
        ("t4_AbCdEf123456", "t4_AbCdEf"),
        ("glrtr-AbCdEf123456", "AbCdEf123"),
        ("glcbt-64_abcdefghijk", "64_abcdef"),
        ("GR1348941AbCdEf123456", "AbCdEf123"),
        ("GR13489zzAbCdEf", "GR13489zz"),
        ("short", "short"),
        ("", ""),
    ],
)
def test_prefix_goes_and_nine_characters_stay(token: str, short: str) -> None:
    """Known prefixes are no part of the nine characters that may be shown."""
    assert short_token(token) == short
