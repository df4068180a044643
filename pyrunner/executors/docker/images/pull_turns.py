"""One pull of the same image at a time: whoever comes meanwhile waits and takes what the first got.

A turn is an open-file-description lock on a file of its own (:mod:`pyrunner.system.lock`): it ends with the
process that has it. Who has pulled removes the file's name and then writes into the file, so that those who
had opened it before, and nobody else, read there that the image has come since they asked for it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pyrunner.errors import JobDirError
from pyrunner.system.files import make_private
from pyrunner.system.lock import try_lock

_DONE: Final = b"pulled\n"


class Turn:
    """A turn that has come."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd
        #: Another has pulled the image while this turn was waited for: nothing is left to do.
        self.done_by_another = bool(os.pread(fd, 1, 0))

    def done(self) -> None:
        """The image has come: tell those who wait."""
        with contextlib.suppress(OSError):  # a full disk: they will pull, too
            self._path.unlink(missing_ok=True)
            os.pwrite(self._fd, _DONE, 0)

    @property
    def orphaned(self) -> bool:
        """The file has no name any more: whoever comes now would not wait for this turn."""
        return os.fstat(self._fd).st_nlink == 0


@contextmanager
def take_turn(folder: Path, key: str, wait: Callable[[], None]) -> Iterator[Turn]:
    """Wait for the turn to pull what ``key`` stands for.

    :param folder: made if need be; the same for all jobs that shall share pulls.
    :param wait: sleeps for a moment; raises when the job is stopped.
    :raises JobDirError: when the folder or a file in it cannot be made.
    """
    make_private(folder)
    path = folder / f"{key}.pull"
    turn, fd = _next_turn(path, wait)
    try:
        try:
            yield turn
        finally:
            if not turn.orphaned:
                # it failed: those who wait try for themselves, and no file is left behind
                path.unlink(missing_ok=True)
    finally:
        os.close(fd)


def _next_turn(path: Path, wait: Callable[[], None]) -> tuple[Turn, int]:
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise JobDirError(f"cannot open {path}: {error.strerror}") from error
        with contextlib.ExitStack() as unless_ours:
            unless_ours.callback(os.close, fd)
            while not try_lock(fd):
                wait()
            turn = Turn(path, fd)
            if turn.done_by_another or not turn.orphaned:
                unless_ours.pop_all()
                return turn, fd
