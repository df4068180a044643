"""The far end of a terminal: where its shell is."""

from __future__ import annotations

from typing import Protocol

from pyrunner.errors import PyrunnerError


class TerminalUnavailable(PyrunnerError):
    """No terminal can be opened; the text is for the log."""


class FarEnd(Protocol):
    """A shell with a terminal; its descriptor is non-blocking."""

    def fileno(self) -> int:
        """Return the descriptor to wait for."""

    def receive(self, most: int) -> bytes | None:
        """Return output; None when there is none now, empty at the end.

        :raises OSError: when the connection is broken.
        """

    def send(self, data: memoryview) -> int:
        """Take input; return how many bytes were taken, 0 when none can be now.

        :raises OSError: when nobody reads it any more.
        """

    def close(self) -> None:
        """End the shell, and what it has in the foreground."""
