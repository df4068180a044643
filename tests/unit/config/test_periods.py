"""Time ranges as cron expressions (config-and-commands.md 1.5)."""

from __future__ import annotations

from datetime import datetime

import pytest

from pyrunner.config.periods import Period, in_any

#: A Wednesday.
NOW = datetime(2017, 2, 22, 14, 59, 30)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("* * * * * * *", True),
        ("* 59 14 * * wed *", True),
        ("* * 9-17 * * mon-fri *", True),
        ("* * 9-17 * * sat,sun *", False),
        ("30 59 14 22 2 ? 2017", True),
        ("31 * * * * * *", False),
        ("*/15 * * * * * *", True),
        ("*/20 * * * * * *", False),
        ("10/20 * * * * * *", True),
        ("* * * * feb * *", True),
        ("* * * * March * *", False),
        ("* * * * * * 2018-2020", False),
        ("59 14 * * *", False),
        ("* 14 * * wednesday", False),
        ("@hourly", False),
    ],
)
def test_fields(text: str, holds: bool) -> None:
    """Lists, ranges, steps and names; with five or six fields the second is 0."""
    assert Period.parse(text).holds(NOW) is holds


def test_missing_fields() -> None:
    """Five fields begin with the minute, six end with the year."""
    moment = NOW.replace(second=0)
    assert Period.parse("59 14 * * *").holds(moment)
    assert Period.parse("59 14 * * * 2017").holds(moment)
    assert not Period.parse("59 14 * * * 2018").holds(moment)


def test_either_day_field() -> None:
    """Where both day fields say something, one of them is enough; else both count."""
    assert Period.parse("* * * 1 * wed *").holds(NOW)
    assert Period.parse("* * * 22 * sun *").holds(NOW)
    assert not Period.parse("* * * 1 * sun *").holds(NOW)
    assert not Period.parse("* * * 1 * * *").holds(NOW)


def test_sunday_has_two_numbers() -> None:
    """0 and 7."""
    sunday = NOW.replace(day=26)
    assert Period.parse("* * * * * 0 *").holds(sunday)
    assert Period.parse("* * * * * 7 *").holds(sunday)
    assert Period.parse("* * * * * 5-7 *").holds(sunday)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("* * * l * * *", 28),
        ("* * * lw * * *", 28),
        ("* * * 18w * * *", 17),
        ("* * * 19w * * *", 20),
        ("* * * 22w * * *", 22),
        ("* * * * * wed#4 *", 22),
        ("* * * * * 3l *", 22),
        ("* * * * * sun#1 *", 5),
    ],
)
def test_days_by_another_rule(text: str, day: int) -> None:
    """Last days, nearest working days, the fourth Wednesday: exactly one day of that month."""
    period = Period.parse(text)
    assert [one for one in range(1, 29) if period.holds(NOW.replace(day=one))] == [day]


def test_working_days_stay_in_their_month() -> None:
    """The nearest working day to the 1st may be the 3rd, to the 31st the 29th."""
    assert Period.parse("* * * 1w * * *").holds(datetime(2022, 1, 3))
    assert Period.parse("* * * 31w * * *").holds(datetime(2022, 7, 29))


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "* * * *", "* * * * * * * *", "60 * * * * * *", "* * 25 * * * *", "* * 5-3 * * * *"),
        *("* * * * * xday *", "*/0 * * * * * *", "* * * 0 * * *", "* * * * 13 * *", "* * * * * mon#6 *"),
    ],
)
def test_nonsense(text: str) -> None:
    """Is refused."""
    with pytest.raises(ValueError, match=r"fields|within|neither"):
        Period.parse(text)


def test_any_of_several() -> None:
    """One is enough; none is none."""
    assert in_any([Period.parse("* * 1 * * * *"), Period.parse("* * 14 * * * *")], NOW)
    assert not in_any([], NOW)
