"""A scripted coordinator and a transport that talks to it and never really waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.transport import Transport
from tests.support.http_script import ScriptedServer

TOKEN = "glrt-t1_SecretSecretSecret"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Return a scripted server that runs for the test."""
    with ScriptedServer() as one:
        yield one


@pytest.fixture
def waits() -> list[float]:
    """Return the seconds the transport would have waited between attempts."""
    return []


@pytest.fixture
def connect(server: ScriptedServer, waits: list[float]) -> Iterator[Callable[..., Transport]]:
    """Return a maker of transports to the scripted server; ``token``, ``path`` and options can differ."""
    made: list[Transport] = []

    def make(token: str = TOKEN, path: str = "", **options: object) -> Transport:
        credentials = RunnerCredentials(server.url + path, token, name="orchard runner")
        settings = {"environment": {}, "sleep": waits.append, "uniform": lambda low, high: high, **options}
        transport = Transport(credentials, **settings)  # type: ignore[arg-type]
        made.append(transport)
        return transport

    yield make
    for transport in made:
        transport.close()


@pytest.fixture
def transport(connect: Callable[..., Transport]) -> Transport:
    """Return a transport to the scripted server."""
    return connect()
