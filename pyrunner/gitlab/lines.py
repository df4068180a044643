"""Log lines about calls, with the fields that log readers know (config-and-commands.md 5)."""

from __future__ import annotations

import logging
from typing import Any

from pyrunner.gitlab.credentials import RunnerCredentials


class CallLog:
    """Writes the lines of one call: every one carries the runner's fields and the call's.

    The fields travel in the record as ``fields``; the formatters sort and lay them out.
    """

    def __init__(self, logger: logging.Logger, credentials: RunnerCredentials, **fields: Any) -> None:
        self._logger = logger
        self._fields = {**credentials.log_fields, **fields}

    def add(self, fields: dict[str, Any]) -> None:
        """Put ``fields`` on all further lines."""
        self._fields.update(fields)

    def write(self, level: int, text: str, **fields: Any) -> None:
        """Write one line; ``fields`` go on this one only."""
        self._logger.log(level, "%s", text, extra={"fields": {**self._fields, **fields}})
