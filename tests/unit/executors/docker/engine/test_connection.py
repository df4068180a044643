"""What an engine has told of itself is asked again when it may be another one (connection)."""

from __future__ import annotations

import pytest

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Engine
from tests.support.fake_engine import FakeEngine


def test_what_is_known_is_not_asked_again() -> None:
    """Forked processes know it, too; whoever wants to know anew asks."""
    with FakeEngine() as fake:
        assert Engine(fake.endpoint).info["OSType"] == "linux"
        fake.info = {**fake.info, "CgroupDriver": "systemd"}
        second = Engine(fake.endpoint)
        assert "CgroupDriver" not in second.info
        assert second.pinned.version == "1.41"
        assert Engine(fake.endpoint, anew=True).info["CgroupDriver"] == "systemd"
        assert Engine(fake.endpoint).info["CgroupDriver"] == "systemd"


def test_another_version_is_another_engine() -> None:
    """It was replaced: all is asked again, and its version is spoken."""
    with FakeEngine() as fake:
        assert Engine(fake.endpoint).info["OSType"] == "linux"
        fake.api_version = "1.42"
        fake.info = {**fake.info, "CgroupDriver": "systemd"}
        engine = Engine(fake.endpoint)
        assert engine.info["CgroupDriver"] == "systemd"
        assert engine.pinned.version == "1.42"


def test_an_engine_that_is_gone_is_told_as_ever() -> None:
    """Nobody goes by what a dead one has said."""
    with FakeEngine() as fake:
        endpoint = fake.endpoint
        assert Engine(endpoint).info["OSType"] == "linux"
    with pytest.raises(EngineError, match=r"^getting docker info: failed to connect to the docker API"):
        _ = Engine(endpoint).info
