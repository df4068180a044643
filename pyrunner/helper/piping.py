"""Turns an archive that is pushed into one that is pulled, for uploads that stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Full, Queue
from typing import Final

_PIECE: Final = 256 * 1024
_AHEAD: Final = 4

Produce = Callable[[Callable[[bytes], None]], None]


class _NobodyReads(Exception):
    """The reader has gone: the producer may stop."""


def pull(produce: Produce) -> Iterator[bytes]:
    """Yield what ``produce`` writes, in pieces; it runs in a thread, a few pieces ahead.

    :param produce: is called with what takes the next bytes.
    :raises Exception: what ``produce`` raised.
    """
    pieces: Queue[bytes | BaseException | None] = Queue(_AHEAD)
    gone = threading.Event()

    def put(piece: bytes | BaseException | None) -> None:
        while not gone.is_set():
            try:
                pieces.put(piece, timeout=0.2)
            except Full:
                continue
            return
        raise _NobodyReads

    def work() -> None:
        buffer = bytearray()

        def take(data: bytes) -> None:
            buffer.extend(data)
            if len(buffer) >= _PIECE:
                put(bytes(buffer))
                buffer.clear()

        try:
            try:
                produce(take)
                if buffer:
                    put(bytes(buffer))
                put(None)
            except Exception as error:  # noqa: BLE001 - handed to the reader
                put(error)
        except _NobodyReads:
            return

    thread = threading.Thread(target=work, name="archive", daemon=True)
    thread.start()
    try:
        while (piece := pieces.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        gone.set()
        thread.join()
