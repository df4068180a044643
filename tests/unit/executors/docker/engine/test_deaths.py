"""The end of a container from the engine's events (deaths)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.engine.deaths import passed
from tests.support.fake_engine import FakeEngine, unclosed_sockets_of_the_sdk


def death(code: Any) -> dict[str, Any]:
    """An event as engines send it."""
    return {"Type": "container", "Action": "die", "Actor": {"ID": "it", "Attributes": {"exitCode": code}}}


def ask(fake: FakeEngine) -> bool:
    """Wait for the container ``it``."""
    engine = Engine(fake.endpoint)
    try:
        return engine.call(lambda api: passed(api, "it", 1))
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([death("0")], True),
        ([death("1")], False),
        ([death("137"), death("0")], False),
        ([death("")], False),
        ([{"Action": "oom"}, death("0")], True),
        ([], False),
    ],
)
def test_only_a_good_end_is_believed(events: list[dict[str, Any]], told: bool) -> None:
    """Whatever else happened, the engine is asked about."""
    with FakeEngine() as fake:
        fake.events = events
        assert ask(fake) is told
        # From the beginning of this run on: an earlier one of the same container does not count.
        assert fake.queries[0]["since"] == "1769853600.500000000"
        assert fake.queries[0]["filters"] == '{"container": ["it"], "event": ["die"], "type": ["container"]}'


def test_what_is_no_event_is_not_believed() -> None:
    """Nor does it end the wait with anything but another question."""
    with FakeEngine() as fake:
        fake.events = [b"{", death("0")]
        assert not ask(fake)


def test_silence_is_no_end() -> None:
    """After the time that the caller has."""
    with FakeEngine() as fake:
        fake.silent = True
        assert not ask(fake)
        fake.left.set()


@pytest.mark.parametrize(
    "state",
    [{"Running": False, "StartedAt": "2026-01-31T10:00:00Z"}, {"Running": True, "StartedAt": "yesterday"}],
)
def test_what_does_not_run_has_no_end_to_come(state: dict[str, Any]) -> None:
    """Nobody waits for it."""
    with FakeEngine() as fake:
        fake.state = state
        fake.events = [death("0")]
        assert not ask(fake)
        assert fake.queries == []


def test_engines_without_events() -> None:
    """Are asked as ever; one that is gone is an error."""
    with FakeEngine() as fake:
        fake.events = None
        assert not ask(fake)
        engine = Engine(fake.endpoint)
        assert engine.info
    with unclosed_sockets_of_the_sdk(), pytest.raises(EngineError):
        engine.call(lambda api: passed(api, "it", 1))
    engine.close()
