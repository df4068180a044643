"""The runner, text and json formats, byte for byte (config-and-commands.md 5)."""

from __future__ import annotations

import json
import logging
import signal
from datetime import datetime, timedelta
from typing import Any

import pytest

from pyrunner.system.logformat import (
    FATAL,
    PANIC,
    JSONFormatter,
    RunnerFormatter,
    TextFormatter,
    go_text,
)


def record(number: int, message: str, /, **fields: Any) -> logging.LogRecord:
    """Return a record as the logging module makes it, of 1000 seconds after the epoch."""
    values = {"levelno": number, "msg": message, "created": 1000.0, "fields": fields}
    return logging.makeLogRecord(values)


@pytest.mark.parametrize(
    ("level", "line"),
    [
        (logging.INFO, "msg" + " " * 47 + "\x1b[0;m  a\x1b[0;m=1 b\x1b[0;m=x y"),
        (
            logging.DEBUG,
            "\x1b[37;1mmsg" + " " * 47 + "\x1b[0;m  \x1b[37;1ma\x1b[0;m=1 \x1b[37;1mb\x1b[0;m=x y",
        ),
        (
            logging.WARNING,
            "\x1b[0;33mWARNING: msg" + " " * 38 + "\x1b[0;m  \x1b[0;33ma\x1b[0;m=1 \x1b[0;33mb\x1b[0;m=x y",
        ),
        (
            logging.ERROR,
            "\x1b[31;1mERROR: msg" + " " * 40 + "\x1b[0;m  \x1b[31;1ma\x1b[0;m=1 \x1b[31;1mb\x1b[0;m=x y",
        ),
        (
            FATAL,
            "\x1b[31;1mFATAL: msg" + " " * 40 + "\x1b[0;m  \x1b[31;1ma\x1b[0;m=1 \x1b[31;1mb\x1b[0;m=x y",
        ),
        (
            PANIC,
            "\x1b[31;1mPANIC: msg" + " " * 40 + "\x1b[0;m  \x1b[31;1ma\x1b[0;m=1 \x1b[31;1mb\x1b[0;m=x y",
        ),
    ],
)
def test_runner_format(level: int, line: str) -> None:
    """Colour, prefix, message to 50 columns, reset, and the fields sorted by name without quotes."""
    assert RunnerFormatter().format(record(level, "msg", b="x y", a=1)) == line


def test_runner_format_does_not_cut_long_messages() -> None:
    """A message beyond 50 columns is written whole."""
    assert RunnerFormatter().format(record(logging.INFO, "m" * 60)) == "m" * 60 + "\x1b[0;m "


FORGED = "x\r\n\x1b[31;1mERROR: forged\x1b[0;m \u202e\ud800"


def test_people_are_not_deceived() -> None:
    """What a field brings steers no terminal and begins no line; a message has the lines that it has."""
    escaped = "x\\r\\n\\x1b[31;1mERROR: forged\\x1b[0;m \\u202e\\ud800"
    line = RunnerFormatter().format(record(logging.INFO, "m", a=FORGED))
    assert line == f"{'m':<50}\x1b[0;m  a\x1b[0;m={escaped}"
    lines = RunnerFormatter().format(record(logging.INFO, "one\n\ttwo \x1b[2J\n")).split("\n")
    assert lines == ["one", "\ttwo \\x1b[2J", " " * 33 + "\x1b[0;m "]
    told = TextFormatter(terminal=True, started_at=0).format(record(logging.INFO, FORGED, a=FORGED))
    assert told.count("\n") == 1, "the message's own"
    assert "\x1b[31" not in told


def test_text_for_machines() -> None:
    """time, level and msg first, then the fields; a value is quoted unless it is plain."""
    fields: dict[str, Any] = {
        "job": 7,
        "url": "https://a.b/c",
        "empty": "",
        "err": 'no "x"\n',
        "d": timedelta(seconds=90),
    }
    line = TextFormatter(terminal=False, started_at=0).format(record(logging.INFO, "hello world", **fields))
    time, _, rest = line.partition(" level=")
    assert time.startswith('time="')
    datetime.fromisoformat(time[6:-1])
    assert rest == 'info msg="hello world" d=1m30s empty= err="no \\"x\\"\\n" job=7 url="https://a.b/c"'


def test_text_for_machines_keeps_plain_values_bare() -> None:
    """Letters, digits and -._/@^+ need no quotes."""
    line = TextFormatter(terminal=False, started_at=0).format(record(logging.WARNING, "ok", v="a-b._/@^+Z9"))
    assert line.endswith("level=warning msg=ok v=a-b._/@^+Z9")


def test_text_field_that_clashes() -> None:
    """A field called like one of the fixed keys does not hide it."""
    line = TextFormatter(terminal=False, started_at=0).format(record(logging.INFO, "m", level="x"))
    assert line.endswith("level=info msg=m fields.level=x")


def test_text_on_a_terminal() -> None:
    """Four letters of the level, seconds since the start, the message to 44 columns."""
    line = TextFormatter(terminal=True, started_at=993.2).format(record(logging.ERROR, "msg", a="b c"))
    assert line == "\x1b[31mERRO\x1b[0m[0006] msg" + " " * 41 + '  \x1b[31ma\x1b[0m="b c"'


def test_json() -> None:
    """Keys sorted among the fixed ones, <>& escaped, durations in nanoseconds, signals as integers."""
    fields = {
        "zeta": "<a & b>",
        "alpha": timedelta(seconds=30),
        "stop-signal": signal.SIGTERM,
        "msg": "field",
        "duration_s": 2.0,
        "error": ValueError("bad"),
    }
    line = JSONFormatter().format(record(logging.INFO, "m", **fields))
    value = json.loads(line)
    assert list(value) == sorted(value)
    assert value.pop("time")
    assert value == {
        "alpha": 30_000_000_000,
        "duration_s": 2,
        "error": "bad",
        "fields.msg": "field",
        "level": "info",
        "msg": "m",
        "stop-signal": 15,
        "zeta": "<a & b>",
    }
    assert '"zeta":"\\u003ca \\u0026 b\\u003e"' in line
    assert '"duration_s":2,' in line


def test_json_is_one_line_of_utf8() -> None:
    """What a job can put into a name cannot break the line or the encoding."""
    line = JSONFormatter().format(record(logging.INFO, "a\nb\u2028\udcff é"))
    assert "\n" not in line
    assert line.encode()
    assert json.loads(line)["msg"] == "a\nb\u2028\ufffd é"


def test_tracebacks_are_kept() -> None:
    """An exception that is logged is shown, in JSON as a field of its own."""
    try:
        raise KeyError("lost")
    except KeyError as error:
        values = {"exc_info": (KeyError, error, error.__traceback__)}
    shown = record(logging.ERROR, "bug")
    shown.__dict__.update(values)
    assert "\nTraceback" in RunnerFormatter().format(shown)
    assert "KeyError: 'lost'" in json.loads(JSONFormatter().format(shown))["traceback"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "<nil>"),
        (True, "true"),
        (1.0, "1"),
        (0.5, "0.5"),
        (["a", 1], "[a 1]"),
        ({"b": 1, "a": 2}, "map[a:2 b:1]"),
        (timedelta(minutes=15), "15m0s"),
        (signal.SIGTERM, "terminated"),
        (signal.SIGINT, "interrupt"),
        (signal.SIGQUIT, "quit"),
    ],
)
def test_values_are_spelled_as_go_does(value: object, text: str) -> None:
    """Log readers match on Go's texts."""
    assert go_text(value) == text
