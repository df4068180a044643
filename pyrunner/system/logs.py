"""Logging set-up: level, format and fields of the process log (config-and-commands.md 5).

Everything goes to stderr through the standard :mod:`logging`. Fields are given with the call::

    logger.info("Job succeeded", extra={"fields": {"job": 17, "duration_s": 1.5}})

or once for many calls, with :func:`with_fields`. A field never holds a secret; the one exception
is the ``list`` command, which shows full tokens as gitlab-runner does.
"""

from __future__ import annotations

import faulthandler
import logging
import signal
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from types import FrameType
from typing import Any, Final, TextIO

from pyrunner.errors import UsageError
from pyrunner.system.logformat import (
    FATAL,
    PANIC,
    TRACE,
    JSONFormatter,
    RunnerFormatter,
    TextFormatter,
)

__all__ = [
    "FATAL",
    "PANIC",
    "TRACE",
    "configure_logging",
    "current_settings",
    "parse_format",
    "parse_level",
    "with_fields",
]

DEFAULT_FORMAT: Final = "runner"
DEFAULT_LEVEL: Final = "info"
FORMATS: Final = ("json", "runner", "text")

_LEVELS: Final = {
    "panic": PANIC,
    "fatal": FATAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}

#: Libraries whose own chatter belongs to no one below a warning.
_LIBRARIES: Final = (
    "asyncio",
    "azure",
    "boto3",
    "botocore",
    "docker",
    "google",
    "requests",
    "s3transfer",
    "urllib3",
    "uvicorn",
)

_STARTED_AT: Final = time.time()


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to the process's stderr; the type marks our handler among others."""

    def __init__(self, stream: TextIO, log_format: str, level: str) -> None:
        super().__init__(stream)
        self.setFormatter(_formatter(log_format, stream))
        #: Format and level, as they were given.
        self.settings = (log_format, level)


class FieldsAdapter(logging.LoggerAdapter[logging.Logger]):
    """A logger that adds fields to every record; those of the call win."""

    def __init__(self, logger: logging.Logger, fields: Mapping[str, Any]) -> None:
        super().__init__(logger, {})
        self.fields = dict(fields)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Merge the fields into those of the call."""
        extra = dict(kwargs.get("extra") or {})
        extra["fields"] = {**self.fields, **(extra.get("fields") or {})}
        return msg, {**kwargs, "extra": extra}


def with_fields(logger: logging.Logger | FieldsAdapter, **fields: object) -> FieldsAdapter:
    """Return ``logger`` with ``fields`` added to every record it logs from here on.

    A name that is no Python identifier goes through ``with_fields(logger, **{"job-status": ...})``.
    """
    if isinstance(logger, FieldsAdapter):
        return FieldsAdapter(logger.logger, {**logger.fields, **fields})
    return FieldsAdapter(logger, fields)


def parse_level(text: str) -> int:
    """Return the level named ``text``, in any case.

    :raises UsageError: for any other word (1.3).
    """
    level = _LEVELS.get(text.lower())
    if level is None:
        raise UsageError(f'failed to parse log level: not a valid log level: "{text}"')
    return level


def parse_format(text: str) -> str:
    """Return ``text`` when it names a format.

    :raises UsageError: for any other word (1.3).
    """
    if text not in FORMATS:
        raise UsageError(f'unknown log format "{text}", expected one of: {", ".join(FORMATS)}')
    return text


def configure_logging(
    log_format: str = DEFAULT_FORMAT, level: str = DEFAULT_LEVEL, stream: TextIO | None = None
) -> None:
    """Write the log in ``log_format`` from ``level`` up; called again, it replaces the former settings.

    :param stream: where to write, stderr when absent.
    :raises UsageError: for an unknown level or format; the former settings then stay.
    """
    number = parse_level(level)
    parse_format(log_format)
    out = sys.stderr if stream is None else stream
    handler = _StderrHandler(out, log_format, level)
    for value, name in ((TRACE, "TRACE"), (FATAL, "FATAL"), (PANIC, "PANIC")):
        logging.addLevelName(value, name)
    root = logging.getLogger()
    for former in [one for one in root.handlers if isinstance(one, _StderrHandler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(number)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(max(number, logging.WARNING))
    _answer_sigusr1(dump=number <= logging.DEBUG)


def current_settings() -> tuple[str, str]:
    """Return format and level of the last :func:`configure_logging`; the defaults before the first."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _StderrHandler):
            return handler.settings
    return DEFAULT_FORMAT, DEFAULT_LEVEL


def _formatter(log_format: str, stream: TextIO) -> logging.Formatter:
    if log_format == "json":
        return JSONFormatter()
    if log_format == "text":
        return TextFormatter(terminal=stream.isatty(), started_at=_STARTED_AT)
    return RunnerFormatter()


def _answer_sigusr1(dump: bool) -> None:
    """Have SIGUSR1 dump all stacks to stderr, or do nothing; it must never end the process (3)."""
    if not hasattr(signal, "SIGUSR1") or threading.current_thread() is not threading.main_thread():
        return
    faulthandler.unregister(signal.SIGUSR1)
    # a handler that does nothing, not SIG_IGN: jobs would inherit the latter and could not trap it
    signal.signal(signal.SIGUSR1, _log_sigusr1 if dump else _pass)
    if dump:
        faulthandler.register(signal.SIGUSR1, all_threads=True, chain=True, file=sys.__stderr__ or 2)


def _log_sigusr1(_number: int, _frame: FrameType | None) -> None:
    logging.getLogger(__name__).info("=== received SIGUSR1 ===")


def _pass(_number: int, _frame: FrameType | None) -> None:
    """Do nothing."""
