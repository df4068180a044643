"""The inner retry below every call (runner-api.md 6.1)."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from pyrunner.gitlab.answer import clean_url, integer

#: Requests in all; after the last one its answer is handed up as it is.
MAX_ATTEMPTS: Final = 5

#: Limits of our own backoff, in seconds.
FIRST_WAIT: Final = 0.1
LONGEST_BACKOFF: Final = 60.0

#: Server-given waits are obeyed, but nonsense is not: nothing asks for more than a day.
LONGEST_WAIT: Final = 86400.0

_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})

_log = logging.getLogger(__name__)
T = TypeVar("T")


def is_retriable(status: int) -> bool:
    """Tell whether a status asks for the same request again; 501 and 505 to 511 do not."""
    return status in _STATUSES or status >= 512


class Waits:
    """How long to wait before each next request of one call.

    :param now: seconds since the epoch.
    :param uniform: a random number between its two arguments.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._now = now
        self._uniform = uniform
        self._backoffs = 0

    def before_next(self, headers: Mapping[str, str]) -> float:
        """Return the seconds to wait, given the headers of the last answer."""
        wait = self._until_reset(headers) or self._retry_after(headers) or self._backoff()
        return min(wait, LONGEST_WAIT)

    def _until_reset(self, headers: Mapping[str, str]) -> float:
        text = headers.get("RateLimit-ResetTime", "")
        if not text:
            return 0.0
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - self._now())
        except (ValueError, OverflowError):
            _log.warning("Couldn't parse rate limit header")
            return 0.0

    def _retry_after(self, headers: Mapping[str, str]) -> float:
        text = headers.get("Retry-After", "")
        seconds = integer(text)
        if text and seconds is None:
            _log.warning("Couldn't parse retry after header")
        return float(max(0, seconds or 0))

    def _backoff(self) -> float:
        ceiling = min(FIRST_WAIT * 2**self._backoffs, LONGEST_BACKOFF)
        self._backoffs += 1
        return FIRST_WAIT if ceiling <= FIRST_WAIT else self._uniform(FIRST_WAIT, ceiling)


def with_retries(
    attempt: Callable[[], T],
    status_of: Callable[[T], int],
    headers_of: Callable[[T], Mapping[str, str]],
    give_back: Callable[[T, float], None],
    sleep: Callable[[float], None],
    waits: Waits,
) -> tuple[T, int, bool]:
    """Make ``attempt`` until its status is not retriable, at most :data:`MAX_ATTEMPTS` times.

    :param give_back: takes an answer that will not be handed up, and the wait before the next one.
    :return: the last answer, the number of attempts, and whether any status was retriable.
    """
    answer = attempt()
    if not is_retriable(status_of(answer)):
        return answer, 1, False
    # Takes 30 ms, which a helper command has only when it is about to wait anyway.
    from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt

    first = [answer]

    def result(state: RetryCallState) -> Any:
        assert state.outcome is not None
        return state.outcome.result()

    retrying = Retrying(
        stop=stop_after_attempt(MAX_ATTEMPTS),
        retry=retry_if_result(lambda one: is_retriable(status_of(one))),
        wait=lambda state: waits.before_next(headers_of(result(state))),
        sleep=sleep,
        before_sleep=lambda state: give_back(result(state), state.upcoming_sleep),
        retry_error_callback=result,
    )
    # The answer at hand is that of the first attempt.
    answer = retrying(lambda: first.pop() if first else attempt())
    return answer, int(retrying.statistics["attempt_number"]), True


def log_wait(method: str, url: str, seconds: float) -> None:
    """Say that a request will be made again after ``seconds``."""
    fields = {
        "context": "ratelimit-requester-gitlab-request",
        "duration": timedelta(seconds=seconds),
        "method": method,
        "url": clean_url(url),
    }
    _log.info("Waiting before making the next call", extra={"fields": fields})
