"""Forked processes that share out work: what Python's threads cannot do at the same time (design.md 5).

Packing and unpacking many small files is mostly system calls and a little Python around each, so threads
would wait for one another's interpreter lock. The helper has no threads of its own, so it may fork.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

from pyrunner.errors import ArchiveError

#: Each process has memory of its own, and a disk has its limit.
_MOST: Final = 4
_PIPE_SIZE: Final = 1 << 20
#: Bytes of a length.
_LENGTH: Final = 8
_RESULT: Final = 0
_END: Final = 1
_FAILED: Final = 2

#: What a piece of work yields: bytes of the archive, and what is to be known about them.
Result = tuple[bytes, bytes]
#: Given its number and how many there are, a worker yields the results of its share.
Share = Callable[[int, int], Iterable[Result]]


def crew_size() -> int:
    """Return how many processes are worth having; one where other threads run: then nothing may be forked."""
    threads = sys.modules.get("threading")
    if threads is not None and threads.active_count() > 1:
        return 1
    return min(_MOST, len(os.sched_getaffinity(0)))


class Crew:
    """Workers, forked at once; leaving the context ends them.

    :param count: how many; with one, its work is done by the caller, in :meth:`results` and :meth:`finish`.
    """

    def __init__(self, share: Share, count: int) -> None:
        self._share = share
        self._count = count
        self._pids: list[int] = []
        self._pipes: list[int] = []
        if count > 1:
            try:
                for number in range(count):
                    self._fork(number)
            except OSError as error:
                self.close()
                raise ArchiveError(f"starting processes: {(error.strerror or '').lower()}") from error

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def results(self) -> Iterator[Result]:
        """Yield the first result of each worker in turn, then the second ones, and so on.

        :raises ArchiveError: what a worker raised, or that it died.
        """
        if self._count == 1:
            yield from self._share(0, 1)
            return
        number = 0
        while (result := _receive(self._pipes[number])) is not None:
            yield result
            number = (number + 1) % self._count
        # The one whose turn it is has no more: nor have the others.
        for pipe in self._pipes:
            if pipe != self._pipes[number] and _receive(pipe) is not None:
                raise ArchiveError("a packing process has lost its place: please report this")

    def finish(self) -> None:
        """Wait until all are done; they have no results.

        :raises ArchiveError: what a worker raised, or that it died.
        """
        if self._count == 1:
            for _ in self._share(0, 1):
                pass
            return
        for pipe in self._pipes:
            while _receive(pipe) is not None:
                pass

    def close(self) -> None:
        """End all workers, finished or not."""
        for pipe in self._pipes:
            os.close(pipe)
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._pipes, self._pids = [], []

    def _fork(self, number: int) -> None:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        with suppress(OSError):  # more than a user may have: the usual size will do
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        try:
            pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if pid:
            os.close(writing)
            self._pipes.append(reading)
            self._pids.append(pid)
            return
        try:
            for pipe in (*self._pipes, reading):
                os.close(pipe)
            _work(lambda: self._share(number, self._count), writing)
        except BaseException:
            sys.excepthook(*sys.exc_info())  # a bug: the caller will say that we died
            raise
        finally:
            os._exit(0)  # nothing of the parent's is tidied up here


def _work(share: Callable[[], Iterable[Result]], pipe: int) -> None:
    """Do a share, which may be all done before the first result, and send these, then how it ended."""
    with suppress(BrokenPipeError):  # nobody wants to know any more
        try:
            for body, note in share():
                _send(pipe, _RESULT, body, note)
            _send(pipe, _END)
        except BrokenPipeError:
            raise
        except ArchiveError as error:
            _send(pipe, _FAILED, os.fsencode(str(error)))
        except OSError as error:
            _send(pipe, _FAILED, os.fsencode(f"{error.filename}: {(error.strerror or '').lower()}"))
        except MemoryError:
            _send(pipe, _FAILED, b"not enough memory")


def _send(pipe: int, kind: int, body: bytes = b"", note: bytes = b"") -> None:
    head = bytes([kind]) + b"".join(len(part).to_bytes(_LENGTH, "little") for part in (body, note))
    for part in (head + note, body):
        view = memoryview(part)
        while view:
            view = view[os.write(pipe, view) :]


def _receive(pipe: int) -> Result | None:
    head = _read(pipe, 1 + 2 * _LENGTH)
    kind = head[0]
    length, noted = (int.from_bytes(head[at : at + _LENGTH], "little") for at in (1, 1 + _LENGTH))
    note = _read(pipe, noted)
    body = _read(pipe, length)
    if kind == _FAILED:
        raise ArchiveError(os.fsdecode(body))
    return None if kind == _END else (body, note)


def _read(pipe: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = os.read(pipe, size)
        if not part:
            raise ArchiveError("a process that works on the archive has died: is there enough memory?")
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
