"""Connections that fail are told in the words that gitlab-runner's users know."""

from __future__ import annotations

import socket
import ssl

import pytest

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Endpoint, Engine
from pyrunner.executors.docker.engine.words import error_words


def _told(host: str) -> str:
    with pytest.raises(EngineError) as caught:
        Engine(Endpoint(host)).info  # noqa: B018 - asked for its error
    return str(caught.value)


def test_no_such_socket() -> None:
    """The path is named, and what the system says of it."""
    error = ConnectionError("Connection aborted.", FileNotFoundError(2, "No such file or directory"))
    assert error_words(error, "unix:///run/docker.sock") == (
        "failed to connect to the docker API at unix:///run/docker.sock; check if the path is correct and if "
        "the daemon is running: dial unix /run/docker.sock: connect: no such file or directory"
    )


def test_nobody_listens() -> None:
    """A socket that a dead engine has left, and a port that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = "Cannot connect to the Docker daemon at {}. Is the docker daemon running?"
    host = f"tcp://127.0.0.1:{port}"
    assert _told(host) == f"getting docker info: {words.format(host)}"
    error = ConnectionError("Connection aborted.", ConnectionRefusedError(111, "Connection refused"))
    assert error_words(error, "unix:///x") == words.format("unix:///x")


def test_a_name_that_nobody_knows() -> None:
    """The name service's words."""
    error = OSError("outer")
    error.__cause__ = socket.gaierror(-2, "Name or service not known")
    assert error_words(error, "tcp://nowhere:1") == (
        "failed to connect to the docker API at tcp://nowhere:1: Name or service not known"
    )


def test_no_permission() -> None:
    """Who may not open the socket is told so, and nothing of the request."""
    error = ConnectionError("Connection aborted.", PermissionError(13, "Permission denied"))
    assert error_words(error, "unix:///var/run/docker.sock") == (
        "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock"
    )


def test_a_certificate_that_is_not_taken() -> None:
    """The engine wants one, or another one."""
    words = error_words(ssl.SSLError(1, "tlsv13 alert certificate required"), "tcp://far:2376")
    assert words.startswith("the server probably has client authentication (--tlsverify) enabled; ")


def test_a_chain_that_bites_its_tail() -> None:
    """It is walked once."""
    error = OSError("outer")
    error.__cause__ = OSError("inner")
    error.__cause__.__cause__ = error
    assert error_words(error, "unix:///x") == "outer"
