"""What ``[runners.monitoring]`` may have wrong: it refuses the whole file (config-and-commands.md 1.14)."""

from __future__ import annotations

from collections.abc import Iterator

from pyrunner.config.convert import Path
from pyrunner.config.tables import Monitoring


def monitoring_findings(monitoring: Monitoring, at: Path) -> Iterator[tuple[Path, str]]:
    """Yield where something is wrong, in the model's keys, and what.

    :param at: of ``job_queuing_durations``.
    """
    # Few files have this table, and all commands read the file.
    from pyrunner.config.periods import Period

    for index, rule in enumerate(monitoring.job_queuing_durations):
        where = (*at, index)
        for text in rule.periods:
            try:
                Period.parse(text)
            except ValueError as error:
                yield (*where, "periods"), str(error)
        if problem := _zone_problem(rule.timezone):
            yield (*where, "timezone"), problem
        if problem := _pattern_problem(rule.jobs_running_for_project):
            yield (*where, "jobs_running_for_project"), problem


def _zone_problem(name: str) -> str:
    if name in ("", "Local"):
        return ""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f'"{name}" is no time zone of this host; write one such as "Europe/Berlin"'
    return ""


def _pattern_problem(pattern: str) -> str:
    if not pattern:
        return ""
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.log_errors = False  # it would write to standard error by itself
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        [reason] = error.args or ("",)
        return f'"{pattern}" is no regular expression: {_text(reason)}'
    return ""


def _text(reason: object) -> str:
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
