"""Archives that are pulled: order, errors, and a producer that ends with its reader."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import cast

import pytest

from pyrunner.errors import ArchiveError
from pyrunner.helper.piping import pull


def test_bytes_arrive_in_order() -> None:
    """Small writes become few pieces; nothing is lost."""

    def produce(out: Callable[[bytes], None]) -> None:
        for number in range(100_000):
            out(number.to_bytes(4, "big"))

    pieces = list(pull(produce))
    assert b"".join(pieces) == b"".join(number.to_bytes(4, "big") for number in range(100_000))
    assert len(pieces) < 10


def test_an_error_of_the_producer_reaches_the_reader() -> None:
    """What the archive's writer raises ends the upload with the same error."""

    def produce(out: Callable[[bytes], None]) -> None:
        out(b"x" * 300_000)
        raise ArchiveError("read file: no")

    with pytest.raises(ArchiveError, match="read file: no"):
        list(pull(produce))


def test_the_producer_ends_when_nobody_reads() -> None:
    """An upload that is given up leaves no thread behind."""
    ended = threading.Event()

    def produce(out: Callable[[bytes], None]) -> None:
        try:
            while True:
                out(b"x" * 300_000)
        finally:
            ended.set()

    pieces = cast("Generator[bytes]", pull(produce))
    next(pieces)
    pieces.close()
    assert ended.is_set()
