"""The inner retry below every call (runner-api.md 6.1), as tenacity's data."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt

from pyrunner.gitlab.answer import integer

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

    def wait(state: RetryCallState) -> float:
        return waits.before_next(headers_of(_result(state)))

    def before_sleep(state: RetryCallState) -> None:
        give_back(_result(state), state.upcoming_sleep)

    retrying = Retrying(
        stop=stop_after_attempt(MAX_ATTEMPTS),
        retry=retry_if_result(lambda answer: is_retriable(status_of(answer))),
        wait=wait,
        sleep=sleep,
        before_sleep=before_sleep,
        retry_error_callback=_result,
    )
    answer = retrying(attempt)
    attempts = int(retrying.statistics["attempt_number"])
    return answer, attempts, attempts > 1 or is_retriable(status_of(answer))


def _result(state: RetryCallState) -> Any:
    assert state.outcome is not None
    return state.outcome.result()
