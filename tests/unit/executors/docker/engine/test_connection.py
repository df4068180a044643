"""What an engine has told of itself is asked again when it may be another one (connection)."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from tests.support.fake_engine import FakeEngine, unclosed_sockets_of_the_sdk


def told(endpoint: Endpoint, anew: bool = False) -> tuple[dict[str, Any], str]:
    """Return what a new connection knows of its engine, and the version that it speaks."""
    with closing(Engine(endpoint, anew=anew)) as engine:
        return engine.info, engine.pinned.version


def test_what_is_known_is_not_asked_again() -> None:
    """Forked processes know it, too; whoever wants to know anew asks."""
    with FakeEngine() as fake:
        before = told(fake.endpoint)
        fake.info = {**fake.info, "CgroupDriver": "systemd"}
        assert told(fake.endpoint) == before
        assert told(fake.endpoint, anew=True) == (fake.info, "1.41")
        assert told(fake.endpoint) == (fake.info, "1.41")


def test_another_version_is_another_engine() -> None:
    """It was replaced: all is asked again, and its version is spoken."""
    with FakeEngine() as fake:
        told(fake.endpoint)
        fake.api_version = "1.42"
        fake.info = {**fake.info, "CgroupDriver": "systemd"}
        assert told(fake.endpoint) == (fake.info, "1.42")


def test_an_engine_that_is_gone_is_told_as_ever() -> None:
    """Nobody goes by what a dead one has said."""
    with FakeEngine() as fake:
        told(fake.endpoint)
    with (
        unclosed_sockets_of_the_sdk(),
        pytest.raises(EngineError, match=r"^getting docker info: failed to connect to the docker API"),
    ):
        told(fake.endpoint)
