"""The three formats of the process log: ``runner``, ``text``, ``json`` (config-and-commands.md 5).

A record's fields come from ``extra={"fields": {...}}`` and are sorted by name in every format.
Durations are :class:`datetime.timedelta`: ``30s`` in text, integer nanoseconds in JSON; signals are
:class:`signal.Signals`: ``terminated`` in text, integers in JSON.
"""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pyrunner.system.durations import format_duration
from pyrunner.system.golang import one_line, quoted

if TYPE_CHECKING:
    from datetime import timedelta

TRACE: Final = 5
FATAL: Final = logging.CRITICAL
PANIC: Final = 60

_RESET: Final = "\033[0;m"
_YELLOW: Final = "\033[0;33m"
_BOLD_RED: Final = "\033[31;1m"
_BOLD_WHITE: Final = "\033[37;1m"

#: Colour and prefix of the ``runner`` format; levels that are absent have neither.
_RUNNER_STYLES: Final = {
    logging.DEBUG: (_BOLD_WHITE, ""),
    logging.WARNING: (_YELLOW, "WARNING: "),
    logging.ERROR: (_BOLD_RED, "ERROR: "),
    FATAL: (_BOLD_RED, "FATAL: "),
    PANIC: (_BOLD_RED, "PANIC: "),
}
_RUNNER_WIDTH: Final = 50

_LEVEL_WORDS: Final = {
    TRACE: "trace",
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    FATAL: "fatal",
    PANIC: "panic",
}
_TERMINAL_COLORS: Final = {TRACE: 37, logging.DEBUG: 37, logging.INFO: 36, logging.WARNING: 33}
_TERMINAL_ERROR_COLOR: Final = 31

#: The signals a runner logs, in Go's words.
_SIGNAL_WORDS: Final = {
    signal.SIGHUP: "hangup",
    signal.SIGINT: "interrupt",
    signal.SIGQUIT: "quit",
    signal.SIGTERM: "terminated",
    signal.SIGKILL: "killed",
    signal.SIGUSR1: "user defined signal 1",
    signal.SIGUSR2: "user defined signal 2",
}

_PLAIN_VALUE: Final = re.compile(r"[A-Za-z0-9\-._/@^+]*\Z")
_JSON_UNSAFE: Final = re.compile("[<>&\u2028\u2029]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def record_fields(record: logging.LogRecord) -> Mapping[str, Any]:
    """Return the fields a record was logged with."""
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, Mapping) else {}


def go_text(value: object) -> str:
    """Return ``value`` as Go's ``%v`` prints it; log readers match on that."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, signal.Signals):
        return _SIGNAL_WORDS.get(value, f"signal {value.value}")
    if isinstance(value, _timedelta()):
        return format_duration(value.total_seconds())
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if isinstance(value, list | tuple):
        return f"[{' '.join(go_text(one) for one in value)}]"
    if isinstance(value, Mapping):
        pairs = (f"{go_text(key)}:{go_text(value[key])}" for key in sorted(value, key=str))
        return f"map[{' '.join(pairs)}]"
    return str(value)


class RunnerFormatter(logging.Formatter):
    """The default: coloured prefix and message padded to 50 columns, then the fields.

    Colour codes are written whether or not the output is a terminal, as gitlab-runner does.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        color, prefix = _RUNNER_STYLES.get(record.levelno, ("", ""))
        message = _message(record).ljust(_RUNNER_WIDTH - len(prefix))
        fields = record_fields(record)
        pairs = "".join(f" {color}{key}{_RESET}={one_line(go_text(fields[key]))}" for key in sorted(fields))
        return _with_traceback(self, record, f"{color}{prefix}{message}{_RESET} {pairs}")


class TextFormatter(logging.Formatter):
    """``key=value`` pairs where a machine reads, aligned and coloured on a terminal.

    :param terminal: the output is a terminal.
    :param started_at: what the terminal form counts its seconds from; seconds since the epoch.
    """

    def __init__(self, terminal: bool, started_at: float) -> None:
        super().__init__()
        self._terminal = terminal
        self._started_at = started_at

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        text = self._for_terminal(record) if self._terminal else self._for_machine(record)
        return _with_traceback(self, record, text)

    def _for_terminal(self, record: logging.LogRecord) -> str:
        color = f"\033[{_TERMINAL_COLORS.get(record.levelno, _TERMINAL_ERROR_COLOR)}m"
        word = _level_word(record.levelno).upper()[:4]
        seconds = max(0, int(record.created - self._started_at))
        message = _message(record).removesuffix("\n")
        fields = record_fields(record)
        pairs = "".join(f" {color}{key}\033[0m={_text_value(fields[key])}" for key in sorted(fields))
        return f"{color}{word}\033[0m[{seconds:04d}] {message:<44} {pairs}"

    def _for_machine(self, record: logging.LogRecord) -> str:
        fields = record_fields(record)
        pairs = {"time": _timestamp(record.created), "level": _level_word(record.levelno)}
        if message := record.getMessage():
            pairs["msg"] = message
        clashing = pairs.keys() & fields.keys()
        rest = {(f"fields.{key}" if key in clashing else key): fields[key] for key in fields}
        lines = [f"{key}={_text_value(value)}" for key, value in pairs.items()]
        lines += [f"{key}={_text_value(rest[key])}" for key in sorted(rest)]
        return " ".join(lines)


class JSONFormatter(logging.Formatter):
    """One object a line, its keys sorted with ``level``, ``msg`` and ``time`` among them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its end."""
        value: dict[str, Any] = {
            "level": _level_word(record.levelno),
            "msg": record.getMessage(),
            "time": _timestamp(record.created),
        }
        for key, field in record_fields(record).items():
            value[f"fields.{key}" if key in ("level", "msg", "time") else key] = _json_value(field)
        if record.exc_info:
            value["traceback"] = self.formatException(record.exc_info)

        import json  # helper commands start again and again, and never need it

        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return _JSON_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", _SURROGATE.sub("\ufffd", text))


def _timedelta() -> type[timedelta]:
    """Return the type; it takes a millisecond to import."""
    from datetime import timedelta

    return timedelta


def _level_word(level: int) -> str:
    return (
        _LEVEL_WORDS.get(level) or _LEVEL_WORDS[max(one for one in _LEVEL_WORDS if one <= max(level, TRACE))]
    )


def _message(record: logging.LogRecord) -> str:
    """Return a message for people: of its own lines, and steering nothing."""
    return "\n".join(one_line(line) for line in record.getMessage().split("\n"))


def _with_traceback(formatter: logging.Formatter, record: logging.LogRecord, line: str) -> str:
    return f"{line}\n{formatter.formatException(record.exc_info)}" if record.exc_info else line


def _timestamp(created: float) -> str:
    """Return RFC 3339 with a fraction that has no trailing zeros, in local time."""

    # of the nanoseconds that Go shows, a Python record knows the microseconds
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(created, tz=UTC).astimezone()
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    if moment.microsecond:
        text += f".{moment.microsecond:06d}".rstrip("0")
    offset = moment.strftime("%z")
    return text + ("Z" if offset in ("", "+0000") else f"{offset[:3]}:{offset[3:5]}")


def _text_value(value: object) -> str:
    text = go_text(value)
    return text if _PLAIN_VALUE.match(text) else quoted(text)


def _json_value(value: Any) -> Any:
    timedelta = _timedelta()
    if isinstance(value, timedelta):
        return (value // timedelta(microseconds=1)) * 1000
    if isinstance(value, signal.Signals):
        return value.value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    if isinstance(value, Mapping):
        return {str(key): _json_value(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(one) for one in value]
    return str(value)
