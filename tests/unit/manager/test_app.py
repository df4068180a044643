"""Rules of :mod:`pyrunner.manager.app` about the process log (config-and-commands.md 1.3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.config.model import Config
from pyrunner.errors import PyrunnerError
from pyrunner.manager.app import LogSettings, ManagerOptions
from pyrunner.system.logformat import JSONFormatter, TextFormatter
from pyrunner.system.logs import configure_logging


@pytest.fixture(autouse=True)
def former_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def formatter() -> logging.Formatter | None:
    return logging.getLogger().handlers[-1].formatter


def test_the_file_decides_what_nobody_fixed() -> None:
    """Level and format come from the file, also when it changes."""
    settings = LogSettings(ManagerOptions(Path("config.toml")))
    settings.apply(Config(log_level="debug", log_format="json"))
    assert logging.getLogger().level == logging.DEBUG
    assert isinstance(formatter(), JSONFormatter)
    settings.apply(Config())
    assert logging.getLogger().level == logging.INFO


def test_the_command_line_wins() -> None:
    """What was given at the start is not overwritten, each for itself."""
    configure_logging("text", "warning")
    LogSettings(ManagerOptions(Path("config.toml"), log_format_fixed=True)).apply(
        Config(log_level="error", log_format="json")
    )
    assert isinstance(formatter(), TextFormatter)
    assert logging.getLogger().level == logging.ERROR
    LogSettings(ManagerOptions(Path("config.toml"), log_level_fixed=True)).apply(
        Config(log_level="debug", log_format="json")
    )
    assert isinstance(formatter(), JSONFormatter)
    assert logging.getLogger().level == logging.ERROR


def test_words_that_mean_nothing_change_nothing() -> None:
    """An invalid level is an error, and the former settings stay."""
    configure_logging("text", "warning")
    with pytest.raises(PyrunnerError, match="loud"):
        LogSettings(ManagerOptions(Path("config.toml"))).apply(Config(log_level="loud"))
    assert logging.getLogger().level == logging.WARNING
