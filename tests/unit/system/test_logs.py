"""Logging set-up."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from pyrunner.errors import UsageError
from pyrunner.system.logs import (
    FATAL,
    PANIC,
    TRACE,
    configure_logging,
    current_settings,
    parse_format,
    parse_level,
    with_fields,
)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("panic", PANIC),
        ("fatal", FATAL),
        ("ERROR", logging.ERROR),
        ("warn", logging.WARNING),
        ("Warning", logging.WARNING),
        ("info", logging.INFO),
        ("debug", logging.DEBUG),
        ("trace", TRACE),
    ],
)
def test_levels(text: str, level: int) -> None:
    """Every level of gitlab-runner is known, in any case."""
    assert parse_level(text) == level


@pytest.mark.parametrize("text", ["", "verbose", "20"])
def test_unknown_level(text: str) -> None:
    """Anything else is refused, naming it."""
    with pytest.raises(UsageError, match=f'"{text}"'):
        parse_level(text)


@pytest.mark.parametrize("text", ["", "JSON", "xml"])
def test_unknown_format(text: str) -> None:
    """Formats are exact; the message lists them."""
    with pytest.raises(UsageError, match="json, runner, text"):
        parse_format(text)


def test_configuring_again_replaces() -> None:
    """A reload changes level and format, and no line is written twice."""
    first, second = io.StringIO(), io.StringIO()
    configure_logging("runner", "info", first)
    configure_logging("json", "error", second)
    logger = logging.getLogger("pyrunner.test")
    logger.warning("no")
    logger.error("yes")
    assert first.getvalue() == ""
    assert [json.loads(line)["msg"] for line in second.getvalue().splitlines()] == ["yes"]


def test_wrong_settings_change_nothing() -> None:
    """An invalid reload leaves the log as it was."""
    out = io.StringIO()
    configure_logging("json", "info", out)
    with pytest.raises(UsageError):
        configure_logging("json", "loud", out)
    with pytest.raises(UsageError):
        configure_logging("xml", "info", out)
    logging.getLogger("pyrunner.test").info("still")
    assert json.loads(out.getvalue())["msg"] == "still"


def test_current_settings() -> None:
    """Whoever keeps one of the two can ask for it; wrong settings are not among them."""
    configure_logging("text", "Warn", io.StringIO())
    with pytest.raises(UsageError):
        configure_logging("xml", "info")
    assert current_settings() == ("text", "Warn")


def test_fields_of_logger_and_call_are_merged() -> None:
    """Fields of the logger go on every record; those of the call win."""
    out = io.StringIO()
    configure_logging("json", "info", out)
    logger = with_fields(with_fields(logging.getLogger("pyrunner.test"), job=1, runner="a"), runner="b")
    logger.info("m", extra={"fields": {"job": 2}})
    value = json.loads(out.getvalue())
    assert (value["job"], value["runner"]) == (2, "b")


def test_libraries_are_quiet() -> None:
    """The chatter of HTTP libraries does not come with our debug level: it can hold tokens."""
    out = io.StringIO()
    configure_logging("runner", "debug", out)
    logging.getLogger("urllib3.connectionpool").debug("GET /?private_token=x")
    assert out.getvalue() == ""
