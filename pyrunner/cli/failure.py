"""A command that cannot go on: the line it ends with (config-and-commands.md 2.1)."""

from __future__ import annotations

from typing import Any

from pyrunner.errors import PyrunnerError


class CommandFailed(PyrunnerError):
    """Ends the process with a FATAL line and exit code 1.

    :param fields: of the log line; hold no secret.
    """

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.fields = fields


class CommandPanicked(CommandFailed):
    """The same with a PANIC line: a registration that is under way is undone first (2.3)."""
