"""The inner retry (runner-api.md 6.1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyrunner.errors import CoordinatorError
from pyrunner.gitlab.call import Call
from pyrunner.gitlab.retries import Waits, is_retriable
from pyrunner.gitlab.transport import Transport
from tests.support.http_script import ScriptedServer

#: Wed, 21 Oct 2015 07:27:50 GMT
NOW = 1445412470.0
RESET = "Wed, 21 Oct 2015 07:28:00 GMT"


def waits(uniform: Callable[[float, float], float] = lambda low, high: high) -> Waits:
    """Return the waits of a call made at NOW."""
    return Waits(lambda: NOW, uniform)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 512, 599])
def test_retried_statuses(status: int) -> None:
    """Overload, timeouts and broken proxies pass by themselves."""
    assert is_retriable(status)


@pytest.mark.parametrize("status", [200, 202, 400, 403, 404, 409, 412, 413, 416, 422, 501, 505, 511])
def test_statuses_that_are_answers(status: int) -> None:
    """501, 505 to 511 and the other 4xx mean what they say."""
    assert not is_retriable(status)


def test_reset_time_comes_first() -> None:
    """``RateLimit-ResetTime`` in the future beats ``Retry-After``."""
    assert waits().before_next({"RateLimit-ResetTime": RESET, "Retry-After": "3"}) == 10.0


@pytest.mark.parametrize("reset", ["Wed, 21 Oct 2015 07:27:00 GMT", "soon"])
def test_a_reset_time_of_no_use_is_skipped(reset: str) -> None:
    """A past or unreadable ``RateLimit-ResetTime`` leaves it to ``Retry-After``."""
    assert waits().before_next({"RateLimit-ResetTime": reset, "Retry-After": "3"}) == 3.0


@pytest.mark.parametrize("after", ["", "0", "-1", "1.5", RESET])
def test_retry_after_is_whole_seconds(after: str) -> None:
    """Anything but a positive integer is no ``Retry-After``: the backoff applies."""
    assert waits().before_next({"Retry-After": after}) == pytest.approx(0.1)


def test_backoff_starts_at_exactly_100_ms_and_doubles_its_ceiling() -> None:
    """First 100 ms, then random between 100 ms and 100 ms x 2^n, at most 60 s."""
    highest, lowest = waits(), waits(lambda low, high: low)
    assert [highest.before_next({}) for _ in range(5)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])
    assert [lowest.before_next({}) for _ in range(5)] == pytest.approx([0.1] * 5)
    for _ in range(20):
        last = highest.before_next({})
    assert last == 60.0


def test_a_nonsensical_wait_ends_within_a_day() -> None:
    """Server-given waits have no cap, but no thread waits for a century."""
    assert waits().before_next({"Retry-After": "3600"}) == 3600.0
    assert waits().before_next({"Retry-After": "99999999999"}) == 86400.0


def test_five_attempts_then_the_answer_is_handed_up(
    server: ScriptedServer, transport: Transport, waits: list[float]
) -> None:
    """A steady 503 is asked five times with the same body and request id, then it is the answer."""
    server.answer(503, b"busy", times=6)
    reply = transport.call(Call("PUT", "jobs/1", body=b"{}"))
    assert (reply.status, reply.body, reply.attempts) == (503, b"busy", 5)
    assert reply.retriable_seen
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert len(server.requests) == 5
    assert {request.body for request in server.requests} == {b"{}"}
    assert len({request.headers["X-Request-Id"] for request in server.requests}) == 1


def test_a_retry_uses_the_same_connection(server: ScriptedServer, transport: Transport) -> None:
    """The unwanted answer is read to its end, so that the connection lives on."""
    server.answer(502, b"x" * 5000)
    server.answer(200)
    assert transport.call(Call("GET", "jobs/1")).retriable_seen
    assert len({request.port for request in server.requests}) == 1


def test_transport_errors_are_not_retried_here(server: ScriptedServer, transport: Transport) -> None:
    """A broken connection is the caller's to judge: a PATCH repeats with the next tick."""
    server.answer(0, drop=True)
    with pytest.raises(CoordinatorError):
        transport.call(Call("PUT", "jobs/1", body=b"{}"))
    assert len(server.requests) == 1


def test_metrics_count_all_attempts(server: ScriptedServer, connect: Callable[..., Transport]) -> None:
    """The retries metric counts every attempt, the first included, by path and method (9.4)."""
    seen: list[tuple[str, str, int]] = []

    class Observer:
        def request_finished(self, endpoint: str, method: str, status: int, seconds: float) -> None:
            raise AssertionError("a plain call is not measured")

        def attempts_made(self, path: str, method: str, attempts: int) -> None:
            seen.append((path, method, attempts))

    server.answer(500, times=2)
    server.answer(200)
    connect(observer=Observer()).call(Call("PUT", "jobs/17?x=1", body=b"{}"))
    assert seen == [("/api/v4/jobs/17", "PUT", 3)]
