"""Many ranges of one object at a time: ``FF_USE_PARALLEL_CACHE_TRANSFER`` (job-execution.md 7.5)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from pyrunner.helper.meter import Meter
from pyrunner.helper.remote.failures import RetriableError
from pyrunner.helper.remote.storing import write_fully

#: Offset and length of a range → its bytes, in pieces.
FetchRange = Callable[[int, int], Iterable[bytes]]


def fetch_ranges(fd: int, size: int, chunk: int, concurrency: int, fetch: FetchRange, meter: Meter) -> None:
    """Fill ``fd`` with ``size`` bytes, ``chunk`` of them a request.

    :raises TransferError: the first that came from ``fetch``, or a range that is not whole.
    """

    failed = threading.Event()

    def copy(offset: int) -> None:
        if failed.is_set():
            return  # what is fetched from now on would be thrown away
        try:
            copy_range(offset)
        except BaseException:
            failed.set()
            raise

    def copy_range(offset: int) -> None:
        length = min(chunk, size - offset)
        done = 0
        for piece in fetch(offset, length):
            if done + len(piece) > length:
                raise RetriableError(f"more than a range was sent at offset {offset}")
            write_fully(fd, piece, offset + done)
            meter.add(len(piece))
            done += len(piece)
        if done < length:
            raise RetriableError(f"less than a range was sent at offset {offset}")

    pool = ThreadPoolExecutor(concurrency, "cache range")
    try:
        work = [pool.submit(copy, offset) for offset in range(0, size, chunk)]
        ended, _ = wait(work, return_when=FIRST_EXCEPTION)
        for one in ended:
            one.result()
    finally:
        pool.shutdown(cancel_futures=True)
