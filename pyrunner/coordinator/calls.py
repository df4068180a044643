"""One call as the endpoints see it, and the answers they give."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send


@dataclass
class Call:
    """A request whose body (uploads excepted) has been read."""

    request: Request
    endpoint: str
    job_id: int | None = None
    body: bytes = b""
    #: The body as JSON where it is an object, else empty.
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> Headers:
        """Request headers."""
        return self.request.headers

    @property
    def line(self) -> str:
        """Method and path, for violations."""
        return f"{self.request.method} {self.request.url.path}"


def message(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error as GitLab words it: ``{"message": "403 Forbidden - reason"}``."""
    return JSONResponse({"message": text}, status, headers)


def missing(parameter: str) -> Response:
    """Return the 400 for a required parameter that is not there."""
    return JSONResponse({"error": f"{parameter} is missing"}, 400)


def forbidden(reason: str = "", headers: dict[str, str] | None = None) -> Response:
    """Return a 403, with a reason where GitLab gives one."""
    return message(403, f"403 Forbidden - {reason}" if reason else "403 Forbidden", headers)


def status_text(status: int, headers: dict[str, str] | None = None) -> Response:
    """Return the status code as its own body."""
    return PlainTextResponse(str(status), status, headers)


class DroppedConnection(Response):
    """No answer: the connection is reset."""

    def __init__(self) -> None:
        super().__init__(status_code=500)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reset, and return when the server has seen it."""
        await drop(scope, receive)


class CutResponse(Response):
    """Another response whose connection is lost after some bytes of its body."""

    def __init__(self, response: Response, size: int) -> None:
        super().__init__(status_code=response.status_code)
        self._response = response
        self._size = size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send headers and the beginning of the body, then reset."""
        left = self._size

        async def send_some(event: Message) -> None:
            nonlocal left
            if event["type"] == "http.response.start":
                await send(event)
            elif left > 0:
                body = event.get("body", b"")[:left]
                left -= len(body)
                await send({"type": "http.response.body", "body": body, "more_body": True})

        await self._response(scope, receive, send_some)
        await drop(scope, receive)


async def drop(scope: Scope, receive: Receive) -> None:
    """Reset the connection of a request and wait until the server knows."""
    transport: asyncio.Transport = scope["state"]["transport"]
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
