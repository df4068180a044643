"""Errors of calls to an engine in the words that gitlab-runner's users know (docker-executor.md 1.1 step 3).

The SDK hands on what its HTTP library made of a failed connection: the one fact that helps, the system's own
error, lies at the bottom of a chain.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import Final

import requests

_NO_ADDRESS: Final = "failed to connect to the docker API at"
#: What TLS libraries say when the engine does not take our certificate, or none.
_CERTIFICATE_WORDS: Final = ("bad certificate", "handshake failure", "certificate required", "unknown ca")
_LONGEST_CHAIN: Final = 20


def error_words(error: Exception, host: str) -> str:
    """Return what is told of ``error``.

    :param host: of the engine, as config.toml or ``DOCKER_HOST`` has it.
    """
    explanation = getattr(error, "explanation", None)
    if isinstance(explanation, bytes):
        explanation = explanation.decode(errors="replace")
    if explanation:
        return str(explanation).strip()
    return _connection_words(error, host) or str(error).strip()


def _connection_words(error: Exception, host: str) -> str:
    """Return what is told of a connection that could not be made; empty when it is something else."""
    for one in _chain(error):
        if isinstance(one, PermissionError):
            return f"permission denied while trying to connect to the docker API at {host}"
        if isinstance(one, FileNotFoundError) and host.startswith("unix://"):
            place = f"dial unix {host.removeprefix('unix://')}: connect: {os.strerror(errno.ENOENT).lower()}"
            return f"{_NO_ADDRESS} {host}; check if the path is correct and if the daemon is running: {place}"
        if isinstance(one, socket.gaierror):
            return f"{_NO_ADDRESS} {host}: {one.strerror}"
        if isinstance(one, ConnectionRefusedError | requests.exceptions.ConnectTimeout):
            return f"Cannot connect to the Docker daemon at {host}. Is the docker daemon running?"
        if any(words in str(one).lower() for words in _CERTIFICATE_WORDS):
            return (
                "the server probably has client authentication (--tlsverify) enabled; "
                f"check your TLS client certification settings: {one}"
            )
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was made from: causes, contexts, and what HTTP libraries wrap."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _LONGEST_CHAIN:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        waiting += [each for each in inner if isinstance(each, BaseException)]
