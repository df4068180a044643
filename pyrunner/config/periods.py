"""Time ranges as cron expressions of seven fields: ``second minute hour day month weekday year``.

gitlab-runner reads them with the library cronexpr: five fields begin with the minute, six also have a year;
``L``, ``W`` and ``#`` are known, and a day matches by either field when both day fields say something
(config-and-commands.md 1.5).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

_MONTHS: Final = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS: Final = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_MONTH_NAMES: Final = {
    **_MONTHS,
    **{name.lower(): number for number, name in enumerate(calendar.month_name) if name},
}
_DAY_NAMES: Final = {
    **_DAYS,
    **{
        name: number
        for number, name in enumerate(
            ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
        )
    },
}
_MACROS: Final = {
    "@yearly": "0 0 0 1 1 * *",
    "@annually": "0 0 0 1 1 * *",
    "@monthly": "0 0 0 1 * * *",
    "@weekly": "0 0 0 * * 0 *",
    "@daily": "0 0 0 * * * *",
    "@hourly": "0 0 * * * * *",
}
_ANY: Final = ("*", "?")


@dataclass(frozen=True, slots=True)
class _Field:
    """The numbers that a field admits, None for any; and its days of another kind, still as text."""

    numbers: frozenset[int] | None
    special: tuple[str, ...] = ()

    @property
    def restricted(self) -> bool:
        return self.numbers is not None

    def admits(self, number: int) -> bool:
        return self.numbers is None or number in self.numbers


@dataclass(frozen=True, slots=True)
class Period:
    """One cron expression."""

    _second: _Field
    _minute: _Field
    _hour: _Field
    _day: _Field
    _month: _Field
    _weekday: _Field
    _year: _Field

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read an expression.

        :raises ValueError: when it is none.
        """
        words = _MACROS.get(text.strip().lower(), text).split()
        if len(words) < 5 or len(words) > 7:
            raise ValueError(f"{text!r} has {len(words)} fields, and 5 to 7 are needed")
        if len(words) < 7:
            words = ["0", *words, *["*"] * (6 - len(words))]
        second, minute, hour, day, month, weekday, year = words
        return cls(
            _read(second, 0, 59),
            _read(minute, 0, 59),
            _read(hour, 0, 23),
            _read(day, 1, 31, special=r"l|lw|\d{1,2}w"),
            _read(month, 1, 12, _MONTH_NAMES),
            _weekdays(weekday),
            _read(year, 1970, 2099),
        )

    def holds(self, moment: datetime) -> bool:
        """Tell whether a moment, in the zone that the expression is meant in, is within the period."""
        return (
            self._second.admits(moment.second)
            and self._minute.admits(moment.minute)
            and self._hour.admits(moment.hour)
            and self._month.admits(moment.month)
            and self._year.admits(moment.year)
            and self._on_day(moment.date())
        )

    def _on_day(self, day: date) -> bool:
        by_date = self._day.admits(day.day) or any(_is_date(one, day) for one in self._day.special)
        by_weekday = self._weekday.admits(_number_of(day)) or any(
            _is_weekday(one, day) for one in self._weekday.special
        )
        if self._day.restricted and self._weekday.restricted:
            return by_date or by_weekday
        return by_date and by_weekday


def in_any(periods: Iterable[Period], moment: datetime) -> bool:
    """Tell whether a moment is within one of the periods."""
    return any(one.holds(moment) for one in periods)


def _read(text: str, least: int, most: int, names: dict[str, int] | None = None, special: str = "") -> _Field:
    """Read a list of numbers, names, ranges and steps.

    :param special: pattern of entries that are kept as text.
    """
    numbers: set[int] = set()
    kept: list[str] = []
    unrestricted = False
    for entry in text.lower().split(","):
        if entry in _ANY:
            unrestricted = True
        elif special and re.fullmatch(special, entry):
            kept.append(entry)
        else:
            numbers.update(_range(entry, least, most, names or {}))
    return _Field(None) if unrestricted else _Field(frozenset(numbers), tuple(kept))


def _range(entry: str, least: int, most: int, names: dict[str, int]) -> range:
    span, slash, step = entry.partition("/")
    first, dash, last = span.partition("-")
    if first in _ANY and not dash:
        low, high = least, most
    else:
        low = _number(first, names, entry)
        high = _number(last, names, entry) if dash else (most if slash else low)
    width = _number(step, {}, entry) if slash else 1
    if not least <= low <= high <= most or width < 1:
        raise ValueError(f"{entry!r} is not within {least}-{most}")
    return range(low, high + 1, width)


def _number(text: str, names: dict[str, int], entry: str) -> int:
    if text in names:
        return names[text]
    if not text.isascii() or not text.isdecimal():
        raise ValueError(f"{entry!r} is neither a number nor a range")
    return int(text)


def _weekdays(text: str) -> _Field:
    """Read weekdays; Sunday is 0 and 7."""
    field = _read(text, 0, 7, _DAY_NAMES, special=r"(?:[0-7]|[a-z]+)(?:l|#[1-5])")
    for entry in field.special:
        _special_weekday(entry)
    return _Field(
        None if field.numbers is None else frozenset(number % 7 for number in field.numbers), field.special
    )


def _special_weekday(entry: str) -> tuple[int, int]:
    """Return weekday and which of the month it is, 0: the last."""
    name, hash_sign, which = entry.partition("#")
    return _number(name if hash_sign else name[:-1], _DAY_NAMES, entry) % 7, int(which or 0)


def _is_weekday(entry: str, day: date) -> bool:
    weekday, which = _special_weekday(entry)
    if _number_of(day) != weekday:
        return False
    if which:
        return (day.day - 1) // 7 + 1 == which
    return (day + timedelta(days=7)).month != day.month


def _is_date(entry: str, day: date) -> bool:
    """Tell whether ``l`` (last day), ``lw`` (last working day) or ``15w`` (nearest to the 15th) is meant."""
    last = calendar.monthrange(day.year, day.month)[1]
    if entry == "l":
        return day.day == last
    wanted = last if entry == "lw" else int(entry[:-1])
    if not 1 <= wanted <= last:
        return False
    target = day.replace(day=wanted)
    if target.weekday() == 5:  # Saturday: the day before, unless that is another month's
        target += timedelta(days=-1 if wanted > 1 else 2)
    elif target.weekday() == 6:
        target += timedelta(days=1 if wanted < last else -2)
    return day == target


def _number_of(day: date) -> int:
    return day.isoweekday() % 7
