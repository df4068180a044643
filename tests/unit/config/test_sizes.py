"""Sizes in [runners.tristan]."""

from __future__ import annotations

import pytest

from pyrunner.config.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("512b", 512),
        ("200GB", 200 * 10**9),
        ("50GiB", 50 * 2**30),
        ("10g", 10 * 2**30),
        ("1.5 kB", 1500),
        (" 1TiB ", 2**40),
    ],
)
def test_units(text: str, size: int) -> None:
    """GB counts in thousands; GiB and a bare letter in 1024s."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1 G B", "1XB", "1ib", "0x10", "١GB"])
def test_refuses_what_is_no_size(text: str) -> None:
    """The error quotes the text and shows the form."""
    with pytest.raises(ValueError, match="200GB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (250_000_000, "250 MB"),
        (40 * 10**6, "40.0 MB"),
        (5 * 10**9, "5.0 GB"),
        (12 * 10**15, "12000.0 TB"),
    ],
)
def test_sizes_for_people(size: int, text: str) -> None:
    """In thousands, as the file has them; one decimal below a hundred."""
    assert format_size(size) == text
