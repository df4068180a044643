"""Streams cut at arbitrary places."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Protocol

from hypothesis import strategies as st


class Filter(Protocol):
    """A streaming filter."""

    def feed(self, data: bytes) -> bytes:
        """Take a write."""
        ...

    def close(self) -> bytes:
        """End the stream."""
        ...


def stream(one: Filter, writes: Iterable[bytes]) -> bytes:
    """Return all that a filter makes of some writes."""
    return b"".join([one.feed(write) for write in writes]) + one.close()


def cut(text: bytes, data: st.DataObject) -> list[bytes]:
    """Cut ``text`` where hypothesis likes."""
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=12), label="cuts")
    bounds = [0, *sorted(places), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(bounds)]
