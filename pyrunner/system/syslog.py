"""The process log in the machine's syslog as well, for ``run --syslog`` (config-and-commands.md 2.2)."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path
from typing import Final

from pyrunner.errors import ServiceError
from pyrunner.system.logformat import TextFormatter

#: Where syslog daemons, and journald, listen.
SOCKET: Final = Path("/dev/log")


class _SyslogHandler(logging.handlers.SysLogHandler):
    """Drops what syslog does not take: a stuck log daemon is no reason to stop serving jobs."""

    append_nul = False  # journald would show it

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Do nothing: standard error has the line, too."""


def log_to_syslog(service: str, socket: Path = SOCKET) -> None:
    """Write every line of the log to syslog, too, as a daemon called ``service``.

    :raises ServiceError: when nobody listens there.
    """
    # The library takes a missing socket for one that will come.
    if not socket.is_socket():
        raise ServiceError(f"no syslog at {socket}; leave --syslog out")
    handler = _SyslogHandler(str(socket), facility=logging.handlers.SysLogHandler.LOG_DAEMON)
    handler.ident = f"{service}: "
    handler.setFormatter(TextFormatter(terminal=False, started_at=0.0))
    logging.getLogger().addHandler(handler)
