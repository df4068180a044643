"""Log records as tests compare them: level, text and fields."""

from __future__ import annotations

import logging
from typing import Any

import pytest


def lines(caplog: pytest.LogCaptureFixture, logger: str = "pyrunner.gitlab") -> list[tuple[str, str]]:
    """Return level and text of every line below ``logger``."""
    return [(record.levelname, record.getMessage()) for record in _records(caplog, logger)]


def fields(caplog: pytest.LogCaptureFixture, text: str) -> dict[str, Any]:
    """Return the fields of the last line with exactly this text."""
    for record in reversed(caplog.records):
        if record.getMessage() == text:
            return dict(getattr(record, "fields", {}))
    raise AssertionError(f"no line {text!r} in {[record.getMessage() for record in caplog.records]}")


def _records(caplog: pytest.LogCaptureFixture, logger: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith(logger)]
