"""Standard output of a run, which may come to be read by nobody: pipe closed, terminal gone, disk full."""

from __future__ import annotations

import errno
import os
import signal
import threading
from typing import TextIO

import click


class Output:
    """A stream that never fails: the first error interrupts the run, and what follows goes nowhere.

    Several threads write, none of which could do anything about it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._gone = False

    def write(self, text: str) -> int:
        """Write a text."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Send what is written."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def line(self, text: str) -> None:
        """Write a line at once."""
        self.write(text + "\n")
        self.flush()

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return its descriptor."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        """How texts become bytes."""
        return self._stream.encoding

    def _give_up(self, error: OSError) -> None:
        with self._lock:
            if self._gone:
                return
            self._gone = True
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        if error.errno not in (errno.EPIPE, errno.EIO):
            click.echo(f"standard output cannot be written: {error.strerror}", err=True)
        os.kill(os.getpid(), signal.SIGINT)
