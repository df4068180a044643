"""Reading what the engine keeps of a container's output (docker-executor.md 5.5, 5.6)."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import Any, Final

import docker
import docker.errors
import requests
import urllib3

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import TIMEOUT, Engine

#: Most bytes of a service's log in a warning.
MOST_LOG: Final = 64 * 1024
#: Stream and length before each piece of output.
_FRAME: Final = struct.Struct(">BxxxL")


def read_log(engine: Engine, container: str, limit: int = MOST_LOG) -> bytes:
    """Return the beginning of a container's log, each line with its time; or why there is none."""
    data = b""
    try:
        with contextlib.closing(open_log(engine, container, follow=False)) as response:
            for piece in log_pieces(response):
                data += piece[: limit - len(data)]
                if len(data) >= limit:
                    break
    except EngineError as error:
        return str(error).strip().encode()
    return data.strip()


def open_log(
    engine: Engine, container: str, *, follow: bool, since: str = "", times: bool = True
) -> requests.Response:
    """Ask for a log from its beginning, both streams in the order in which they came.

    The SDK's own call knows no fractions of a second as text, and reads all of it.

    :param since: seconds and nanoseconds; lines before are left out.
    :param times: each line has its time.
    :raises EngineError: when there is no such container or the engine does not answer.
    """

    def ask(api: docker.APIClient) -> requests.Response:
        flags: dict[str, Any] = {"stdout": 1, "stderr": 1, "timestamps": int(times), "follow": int(follow)}
        if since:
            flags["since"] = since
        url = f"{api.base_url}/v{api.api_version}/containers/{container}/logs"
        # Who follows waits for as long as the container is silent.
        response = api.get(url, params=flags, stream=True, timeout=None if follow else TIMEOUT)
        try:
            response.raise_for_status()
        except requests.HTTPError as error:
            raise docker.errors.create_api_error_from_http_exception(error) from error
        return response

    return engine.call(ask)


def log_pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield the pieces of a log: a line each, or 16 KiB of a longer one.

    It ends where the log ends, or where the engine does.
    """
    return (piece for _, piece in log_frames(response))


def log_frames(response: requests.Response) -> Iterator[tuple[int, bytes]]:
    """Yield the same with the number of its stream before each piece."""
    with contextlib.suppress(OSError, urllib3.exceptions.HTTPError):
        while len(header := response.raw.read(_FRAME.size)) == _FRAME.size:
            number, length = _FRAME.unpack(header)
            piece = response.raw.read(length) if length else b""
            if len(piece) < length:
                return
            if piece:
                yield number, piece
