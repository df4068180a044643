"""Rules of :mod:`pyrunner.manager.poller` and what it counts with (runner-api.md 4)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pyrunner.config.model import RunnerConfig
from pyrunner.manager.capacity import Capacity
from pyrunner.manager.concurrency import RequestConcurrency
from pyrunner.manager.health import Health
from pyrunner.manager.poller import Answer, Poller


class Polling:
    """A poller with a clock that the test turns; records who was asked."""

    def __init__(self, *configs: RunnerConfig, concurrent: int = 10, interval: float = 3.0) -> None:
        self.now = 100.0
        self.capacity = Capacity(concurrent)
        self.asked: list[tuple[str, bool]] = []
        self.configs = {config.name: config for config in configs}
        self.room = True
        self.poller = Poller(
            self.capacity,
            Health(lambda: self.now),
            lambda key, hold: self.asked.append((key, hold)),
            {"shell"},
            lambda _: self.room,
        )
        self.interval = interval
        self.configure()

    def configure(self) -> None:
        self.poller.configure(list(self.configs.items()), self.interval, self.now)

    def step(self) -> list[str]:
        """Return who is asked now."""
        self.asked.clear()
        self.poller.step(self.now)
        return [key for key, _ in self.asked]

    def advance(self, seconds: float) -> list[str]:
        self.now += seconds
        return self.step()

    def answer(self, name: str, got_job: bool = False, **values: Any) -> None:
        config = self.configs[name]
        answer = Answer(got_job, **{"healthy": True, **values})
        self.poller.answered(
            name, config.token, config.effective_request_concurrency, answer, config.unique_id, self.now
        )
        if got_job:
            self.capacity.begin_job(config.token)

    def launched(self, name: str) -> None:
        self.poller.launched(name, self.configs[name].token, self.now)

    def end_job(self, name: str) -> None:
        self.capacity.end_job(self.configs[name].token)
        self.poller.freed(name, self.now)


def runner(name: str, **values: Any) -> RunnerConfig:
    return RunnerConfig(
        **{"name": name, "url": "https://x", "token": f"token-{name}", "executor": "shell", **values}
    )


def test_runners_are_staggered() -> None:
    """Each runner is asked once per interval, evenly spread over it."""
    polling = Polling(runner("a"), runner("b"), runner("c"))
    assert polling.step() == ["a"]
    assert polling.advance(1) == ["b"]
    assert polling.advance(1) == ["c"]
    for name in "abc":
        polling.answer(name)
    assert polling.advance(1) == ["a"]


def test_step_tells_when_to_call_again() -> None:
    """The loop may sleep until the next runner is due."""
    polling = Polling(runner("a"), runner("b"))
    assert polling.poller.step(polling.now) == polling.now + 1.5


def test_no_request_while_one_is_under_way() -> None:
    """With request_concurrency 1, a long poll is alone, and renewed at once when it comes back late."""
    polling = Polling(runner("a"))
    polling.step()
    assert polling.advance(60) == []
    polling.answer("a")
    assert polling.advance(3) == ["a"]


def test_job_is_followed_by_the_next_request() -> None:
    """After a job, the next request does not wait for its turn."""
    polling = Polling(runner("a"))
    polling.step()
    polling.answer("a", got_job=True)
    assert polling.step() == []
    polling.launched("a")
    assert polling.step() == ["a"]


def test_strict_check_interval_waits() -> None:
    """With strict_check_interval, a runner that got a job waits for its turn."""
    polling = Polling(runner("a", strict_check_interval=True))
    polling.step()
    polling.answer("a", got_job=True)
    polling.launched("a")
    assert polling.step() == []
    assert polling.advance(3) == ["a"]


def test_concurrent_counts_jobs_and_requests() -> None:
    """No request goes out when jobs and requests use up ``concurrent``."""
    polling = Polling(runner("a"), runner("b"), concurrent=2)
    polling.step()
    assert polling.advance(1.5) == ["b"]
    polling.answer("a", got_job=True)
    polling.launched("a")
    assert polling.step() == []
    polling.answer("b")
    assert polling.advance(3) == ["a"]


def test_longest_waiting_runner_gets_the_freed_place() -> None:
    """A place that becomes free goes to the runner that is due longest: none starves."""
    polling = Polling(runner("a"), runner("b"), concurrent=1)
    polling.step()
    polling.advance(20)
    polling.answer("a")
    assert polling.step() == ["b"]
    polling.answer("b")
    assert polling.step() == ["a"]


def test_long_poll_only_while_places_are_left_for_others() -> None:
    """A request may be held only when every other runner still finds a place."""
    enough = Polling(runner("a"), runner("b"), concurrent=2)
    enough.step()
    assert enough.asked == [("a", True)]
    scarce = Polling(runner("a"), runner("b"), concurrent=1)
    scarce.step()
    assert scarce.asked == [("a", False)]


def test_a_single_runner_is_held() -> None:
    """With one runner nobody waits for its place, whatever ``concurrent`` is."""
    polling = Polling(runner("a"), concurrent=1)
    polling.step()
    assert polling.asked == [("a", True)]


def test_limit_counts_requests_by_token() -> None:
    """``limit`` counts jobs and requests of a token, over all entries with it."""
    polling = Polling(runner("a", limit=1), runner("b", limit=1, token="token-a"))
    assert polling.step() == ["a"]
    assert polling.advance(1.5) == []
    polling.answer("a", got_job=True)
    polling.launched("a")
    assert polling.advance(10) == []
    polling.end_job("a")
    assert polling.step() == ["a"]


def test_freed_place_is_used_at_once() -> None:
    """When a job ends, its runner asks again without waiting for its turn."""
    polling = Polling(runner("a"), concurrent=1)
    polling.step()
    polling.answer("a", got_job=True)
    polling.launched("a")
    polling.advance(0.5)
    polling.end_job("a")
    assert polling.step() == ["a"]


def test_ended_long_poll_is_renewed_at_once_but_not_endlessly() -> None:
    """A long poll that saw a change is followed at once, at most once per interval."""
    polling = Polling(runner("a"))
    polling.step()
    polling.advance(1)
    polling.answer("a", held=True)
    assert polling.step() == ["a"]
    polling.answer("a", held=True)
    assert polling.step() == []
    assert polling.advance(3) == ["a"]


def test_runner_without_token_is_skipped() -> None:
    """A blank token is never asked with."""
    polling = Polling(runner("a", token="  "))
    assert polling.step() == []
    assert polling.poller.feeds_of("a") == (0, 1)


def test_unknown_executor_makes_unhealthy(caplog: pytest.LogCaptureFixture) -> None:
    """A runner whose executor is unknown is not asked, and rests after three rounds."""
    polling = Polling(runner("a", executor="nothing"))
    for _ in range(5):
        assert polling.step() == []
        polling.now += 3
    assert caplog.text.count("is not known; marking Runner as unhealthy") == 3
    assert "is unhealthy and will be disabled for 1h0m0s seconds!" in caplog.text


def test_forbidden_runner_rests_from_its_last_healthy_moment() -> None:
    """After three refusals the runner rests until the interval since the last good answer is over."""
    polling = Polling(runner("a"))
    polling.step()
    polling.answer("a")
    healthy_at = polling.now
    for _ in range(3):
        assert polling.advance(3) == ["a"]
        polling.answer("a", healthy=False)
    assert polling.advance(3) == []
    polling.now = healthy_at + 3601
    assert polling.step() == ["a"]


def test_full_disk_keeps_a_runner_from_asking() -> None:
    """A host that can take no job of a runner does not ask for one."""
    polling = Polling(runner("a"))
    polling.room = False
    assert polling.step() == []
    polling.room = True
    assert polling.advance(3) == ["a"]


def test_stopped_poller_asks_nobody() -> None:
    """After stop, nobody is asked."""
    polling = Polling(runner("a"))
    polling.poller.stop()
    assert polling.poller.step(polling.now) == math.inf
    assert polling.step() == []


def test_reload_keeps_the_rhythm_and_drops_who_left() -> None:
    """A runner that stays keeps its turn, one that is gone is not asked any more."""
    polling = Polling(runner("a"), runner("b"))
    polling.step()
    del polling.configs["b"]
    polling.configure()
    assert polling.advance(1.5) == []
    polling.answer("a")
    assert polling.advance(1.5) == ["a"]


def test_adaptive_concurrency_grows_and_shrinks() -> None:
    """The allowed number begins at 1, grows by a tenth a job, halves on statuses that ask for patience."""
    requests = RequestConcurrency()
    assert requests.allowed(4) == 1
    for _ in range(2):
        requests.learn(4, got_job=True, retriable_seen=False)
    assert requests.allowed(4) == 2
    for _ in range(30):
        requests.learn(4, got_job=True, retriable_seen=False)
    assert requests.allowed(4) == 4
    requests.learn(4, got_job=True, retriable_seen=True)
    assert requests.allowed(4) == 2
    for _ in range(60):
        requests.learn(4, got_job=False, retriable_seen=False)
    assert requests.allowed(4) == 1


def test_fixed_concurrency() -> None:
    """With the flag off, request_concurrency is what is allowed."""
    requests = RequestConcurrency()
    assert [requests.acquire(2, adaptive=False) for _ in range(3)] == [True, True, False]
    assert requests.exceeded == 1


def test_rotated_token_keeps_its_counts() -> None:
    """What ran under the old token counts under the new one, and ends there."""
    capacity = Capacity(5)
    capacity.begin_job("old")
    capacity.rename("old", "new")
    assert not capacity.within_limit("new", 1)
    capacity.end_job("old")
    assert capacity.within_limit("new", 1)
    assert capacity.free == 5


def test_an_entry_that_was_taken_out_and_put_back_still_counts_its_requests() -> None:
    """A request of the former entry is answered late: the new one's requests count from zero."""
    polling = Polling(RunnerConfig(name="a", token="t", executor="shell"))
    assert polling.step() == ["a"]
    polling.poller.configure([], 3.0, polling.now)
    polling.configure()
    polling.answer("a")
    polling.configs["b"] = RunnerConfig(name="b", token="u", executor="shell")
    polling.capacity.concurrent = 2
    polling.configure()
    polling.now += 10
    assert sorted(polling.step()) == ["a", "b"]
    assert polling.asked[1][1], "everybody asks: the second may be held"
