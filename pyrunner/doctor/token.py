"""Whether the coordinator knows each runner's token, and what time it is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from pyrunner.config.model import RunnerConfig
from pyrunner.doctor.context import Context
from pyrunner.doctor.result import Result, failed, ok, skipped, warning
from pyrunner.gitlab.answer import clean_url
from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.json_call import NO_ANSWER, JsonResult, call_json
from pyrunner.gitlab.runners import verify_call
from pyrunner.gitlab.transport import Transport
from pyrunner.system.durations import format_duration

#: Seconds for the whole call.
_PATIENCE: Final = 20.0
#: Seconds by which the clocks may differ: the header has whole seconds, and an answer takes its time.
_TOLERATED: Final = 5.0
#: Beyond it signed URLs and TLS fail.
_HARMFUL: Final = 300.0
_GONE: Final = "create the runner in GitLab and run pyrunner register, or pyrunner verify --delete"


def check_tokens(context: Context, runners: Sequence[RunnerConfig]) -> Iterator[Result]:
    """Ask the coordinator about each runner; the first answer also tells its time."""
    clock: Result | None = None
    for runner in runners:
        if not runner.has_token:
            text = f"{runner.name}: the token is empty, so the runner is not polled"
            yield failed(
                "token", text, "pyrunner register, or fill token; a $VARIABLE must be set for the service"
            )
            continue
        before = datetime.now(UTC)
        result = _ask(context, runner)
        if clock is None and result.reply is not None:
            between = before + (datetime.now(UTC) - before) / 2
            clock = check_clock(result.reply.headers.get("Date", ""), between)
        yield _described(runner, result)
    yield clock or skipped("clock", "no answer, so no time to compare with")


def check_clock(header: str, now: datetime) -> Result:
    """Compare a ``Date`` header with this machine's time."""
    try:
        there = parsedate_to_datetime(header)
    except ValueError:
        return skipped("clock", "the instance does not say what time it is")
    if there.tzinfo is None:
        there = there.replace(tzinfo=UTC)
    # the header is cut to whole seconds
    apart = abs((there + timedelta(seconds=0.5) - now).total_seconds())
    if apart <= _TOLERATED:
        return ok("clock", "agrees with the instance's")
    behind = "behind" if there > now else "ahead of"
    text = f"this machine's clock is {format_duration(round(apart))} {behind} the instance's"
    fix = "timedatectl set-ntp true (or another NTP client)"
    if apart > _HARMFUL:
        return failed("clock", f"{text}: certificates and signed URLs are refused", fix)
    return warning("clock", text, fix)


def _ask(context: Context, runner: RunnerConfig) -> JsonResult:
    transport = Transport(
        RunnerCredentials.of(runner),
        certificate_directory=context.certificates,
        environment=context.host.environ,
    )
    try:
        call = verify_call(transport, context.system_id, context.info_of(runner))
        return call_json(transport, replace(call, retry=False, total_timeout=_PATIENCE))
    finally:
        transport.close()


def _described(runner: RunnerConfig, result: JsonResult) -> Result:
    where = f"{runner.name} ({runner.short_token})"
    address = clean_url(runner.url)
    if result.code == 200:
        return ok("token", f"{where}: {address} knows this runner")
    if result.code == 403:
        return failed("token", f"{where}: {address} does not know this token (403)", _GONE)
    if result.code == 404:
        text = f"{where}: there is no runner API at {address} (404)"
        return failed("token", text, "url must be the instance's address, with its path where it has one")
    if result.code == NO_ANSWER:
        text = f"{where}: {result.text}"
        return failed("token", text, "see what answers there, e.g. a login page or proxy: curl -i URL")
    if result.code in (408, 429) or result.code >= 500:
        text = f"{where}: {address} is not available now ({result.code})"
        return failed("token", text, "try again later; jobs and results wait meanwhile")
    return failed("token", f"{where}: {result.text}", "see the log of the instance")
