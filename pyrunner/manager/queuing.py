"""``[runners.monitoring]``: did a job wait longer in GitLab's queue than is acceptable now (1.5)."""

from __future__ import annotations

from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pyrunner.config.periods import Period, in_any
from pyrunner.config.tables import JobQueuingDuration, Monitoring


def waited_too_long(monitoring: Monitoring | None, waited: float, running: str, now: datetime) -> bool:
    """Tell whether a job counts as queued for too long.

    :param waited: seconds in the queue.
    :param running: how many jobs of its project run, as the payload words it.
    :param now: with a time zone: the one that counts where none is configured.
    """
    if monitoring is None:
        return False
    rule = _active(monitoring, now)
    if rule is None or rule.threshold <= 0 or waited <= rule.threshold:
        return False
    return _matches(rule.jobs_running_for_project, running)


def _active(monitoring: Monitoring, now: datetime) -> JobQueuingDuration | None:
    """Return the rule in force; of several the last."""
    for rule in reversed(monitoring.job_queuing_durations):
        moment = now.astimezone(_zone(rule.timezone))
        if in_any((one for text in rule.periods if (one := _period(text)) is not None), moment):
            return rule
    return None


def _zone(name: str) -> tzinfo | None:
    if name in ("", "Local"):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # said when the file was loaded
        return None


def _period(text: str) -> Period | None:
    try:
        return Period.parse(text)
    except ValueError:  # said when the file was loaded
        return None


def _matches(pattern: str, running: str) -> bool:
    if not pattern:
        return True
    # GitLab's engine; few have such a rule.
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options).search(running) is not None
    except re2.error:  # said when the file was loaded
        return True
