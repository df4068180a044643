"""Ranges of one object at a time (job-execution.md 7.5)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pyrunner.helper.meter import Meter
from pyrunner.helper.remote.failures import RetriableError, TransferError
from pyrunner.helper.remote.parallel import FetchRange, fetch_ranges

CONTENT = bytes(range(256)) * 10
CONCURRENCY = 3


def fetched(tmp_path: Path, fetch: FetchRange, chunk: int) -> bytes:
    """Fetch CONTENT's length and return what is in the file."""
    file = tmp_path / "file"
    with file.open("w+b") as out, Meter("Downloading cache", 0, 0) as meter:
        fetch_ranges(out.fileno(), len(CONTENT), chunk, CONCURRENCY, fetch, meter)
    return file.read_bytes()


@pytest.mark.parametrize("chunk", [1, 255, 256, 2559, 2560, 10_000])
def test_ranges_make_the_whole(tmp_path: Path, chunk: int) -> None:
    """Whatever their size, in pieces of any length."""

    def fetch(offset: int, length: int) -> Iterator[bytes]:
        for start in range(offset, offset + length, 7):
            yield CONTENT[start : min(start + 7, offset + length)]

    assert fetched(tmp_path, fetch, chunk) == CONTENT


@pytest.mark.parametrize("surplus", [-1, 1])
def test_a_range_that_is_not_whole_is_an_error(tmp_path: Path, surplus: int) -> None:
    """A server that sends less, or more, than asked has not sent the archive."""

    def fetch(_offset: int, length: int) -> Iterable[bytes]:
        return [b"x" * (length + surplus)]

    with pytest.raises(RetriableError, match=r"(more|less) than a range was sent"):
        fetched(tmp_path, fetch, 100)


def test_the_first_failure_ends_all(tmp_path: Path) -> None:
    """The others are not even begun."""
    begun: list[int] = []

    def fetch(offset: int, length: int) -> Iterable[bytes]:
        begun.append(offset)
        raise TransferError("gone")

    with pytest.raises(TransferError, match="gone"):
        fetched(tmp_path, fetch, 1)
    assert len(begun) <= CONCURRENCY
    assert os.path.getsize(tmp_path / "file") == 0
