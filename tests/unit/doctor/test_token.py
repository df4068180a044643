"""The coordinator's clock against ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pyrunner.doctor.result import Status
from pyrunner.doctor.token import check_clock

NOW = datetime(2026, 1, 2, 3, 4, 5, 400_000, tzinfo=UTC)


def header(seconds: float) -> str:
    """Return the header of a server whose clock is ``seconds`` ahead."""
    return format_datetime((NOW + timedelta(seconds=seconds)).replace(microsecond=0), usegmt=True)


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        (0, Status.OK),
        (4, Status.OK),
        (-4, Status.OK),
        (30, Status.WARNING),
        (-30, Status.WARNING),
        (301, Status.FAILED),
        (-301, Status.FAILED),
    ],
)
def test_how_far_apart(seconds: float, status: Status) -> None:
    """A header has whole seconds; minutes are what certificates and signed URLs do not forgive."""
    assert check_clock(header(seconds), NOW).status is status


def test_the_direction_is_named() -> None:
    """Who has to set the clock wants to know which way it is off."""
    assert "30s behind the instance's" in check_clock(header(30), NOW).text
    assert "30s ahead of the instance's" in check_clock(header(-30), NOW).text


@pytest.mark.parametrize("text", ["", "yesterday", "Fri, 99 Jan 2026 03:04:05 GMT"])
def test_a_header_that_is_none(text: str) -> None:
    """A proxy may leave it out; then nothing is known."""
    assert check_clock(text, NOW).status is Status.SKIPPED


def test_a_header_without_a_zone() -> None:
    """-0000 means UTC of an unknown place: it is read as UTC."""
    assert check_clock("Fri, 02 Jan 2026 03:04:05 -0000", NOW).status is Status.OK
