"""Repositories over smart HTTP: ``git http-backend`` as CGI, streamed both ways, read only; git-lfs too.

Access needs basic auth: a running job's token, or configured credentials. Only a path that consists of a
known name and one of the two calls of a fetch reaches git; the path that git gets is made here.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import os
import re
import secrets
import signal
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pyrunner.coordinator.repositories import Repositories, Repository
from pyrunner.coordinator.store import Store

_PATH = re.compile(r"/(?P<name>.+?)(?:\.git)?/(?P<call>info/refs|git-upload-pack|git-receive-pack)\Z")
_LFS = re.compile(r"/(?P<name>.+?)(?:\.git)?/info/lfs/objects/(?P<what>batch|[0-9a-f]{64})\Z")
_PROTOCOL = re.compile(r"[A-Za-z0-9=:.-]{1,64}\Z")
_PIECE: Final = 128 * 1024


class GitHTTP:
    """Serves ``/<name>.git/...``.

    :attr:`credentials` maps user names to passwords that may read every repository.
    """

    def __init__(self, repositories: Repositories, store: Store) -> None:
        self._repositories = repositories
        self._store = store
        self.credentials: dict[str, str] = {}

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer one request and return the status that was sent."""
        if lfs := _LFS.match(scope["path"]):
            answer = await self._large_files(Request(scope, receive), lfs["name"], lfs["what"])
            await answer(scope, receive, send)
            return answer.status_code
        refusal, repository, call = self._admit(scope)
        if refusal is not None or repository is None:
            refusal = refusal or Response("Not found\n", 404)
            await refusal(scope, receive, send)
            return refusal.status_code
        process = await asyncio.create_subprocess_exec(
            *("git", "http-backend"),
            env=self._environment(scope, repository, call),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # so that its pack-objects can be ended with it
        )
        feeder = asyncio.ensure_future(_feed(process, receive))
        try:
            return await _forward(process, send)
        finally:
            feeder.cancel()
            await _end(process)
            with contextlib.suppress(asyncio.CancelledError):
                await feeder

    def _admit(self, scope: Scope) -> tuple[Response | None, Repository | None, str]:
        path = _PATH.match(scope["path"])
        if path is None:
            return Response("Not found\n", 404), None, ""
        if not self._authorized(Headers(scope=scope).get("authorization", "")):
            return _denied(), None, ""
        repository = self._repositories.get(path["name"])
        if repository is None:
            return Response("The project you were looking for could not be found.\n", 404), None, ""
        call, method = path["call"], scope["method"]
        service = scope["query_string"].decode("latin-1")
        if call == "git-receive-pack" or service == "service=git-receive-pack":
            return Response("You are not allowed to push code to this project.\n", 403), None, ""
        wanted = ("GET", "service=git-upload-pack") if call == "info/refs" else ("POST", service)
        if (method, service) != wanted:
            return Response("Only smart HTTP fetches are served\n", 403), None, ""
        return None, repository, call

    async def _large_files(self, request: Request, name: str, what: str) -> Response:
        if not self._authorized(request.headers.get("authorization", "")):
            return _denied()
        repository = self._repositories.get(name)
        if repository is None:
            return Response("The project you were looking for could not be found.\n", 404)
        from pyrunner.coordinator.git_lfs import answer_batch, answer_object  # few projects have any

        if what == "batch" and request.method == "POST":
            return await answer_batch(request, repository.large_files)
        if what != "batch" and request.method in ("GET", "HEAD"):
            return answer_object(what, repository.large_files)
        return Response("Method not allowed\n", 405)

    def _authorized(self, header: str) -> bool:
        kind, _, encoded = header.partition(" ")
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        if kind.lower() != "basic" or not password:
            return False
        expected = self.credentials.get(user)
        if expected is not None:
            return secrets.compare_digest(expected.encode(), password.encode())
        if user != "gitlab-ci-token":
            return False
        with self._store.changed:
            tokens = [job.token for job in self._store.jobs.values() if job.processing]
        return any(secrets.compare_digest(token.encode(), password.encode()) for token in tokens)

    def _environment(self, scope: Scope, repository: Repository, call: str) -> dict[str, str]:
        headers = Headers(scope=scope)
        environment = {
            **self._repositories.environment(),
            "GATEWAY_INTERFACE": "CGI/1.1",
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_TRANSLATED": f"{repository.path}/{call}",
            "PATH_INFO": f"/{call}",
            "REQUEST_METHOD": scope["method"],
            "QUERY_STRING": scope["query_string"].decode("latin-1"),
            "CONTENT_TYPE": headers.get("content-type", ""),
            "REMOTE_USER": "gitlab-ci-token",
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        if headers.get("content-length", "").isdigit():
            environment["CONTENT_LENGTH"] = headers["content-length"]
        if headers.get("content-encoding") in ("gzip", "x-gzip"):
            environment["HTTP_CONTENT_ENCODING"] = "gzip"
        if _PROTOCOL.match(headers.get("git-protocol", "")):
            environment["GIT_PROTOCOL"] = headers["git-protocol"]
        return environment


def _denied() -> Response:
    return Response("HTTP Basic: Access denied\n", 401, {"WWW-Authenticate": 'Basic realm="GitLab"'})


async def _feed(process: asyncio.subprocess.Process, receive: Receive) -> None:
    """Give the request body to git; a client that goes away ends the process."""
    assert process.stdin is not None
    more = True
    try:
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                _kill(process)
                return
            process.stdin.write(event.get("body", b""))
            await process.stdin.drain()
            more = event.get("more_body", False)
        process.stdin.close()
        if (await receive())["type"] == "http.disconnect":
            _kill(process)
    except (BrokenPipeError, ConnectionResetError):
        return  # git has ended and says why in its answer


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End what still runs and close both pipes."""
    assert process.stdin is not None
    assert process.stdout is not None
    _kill(process)
    process.stdin.close()
    while await process.stdout.read(_PIECE):
        pass
    await process.wait()


async def _forward(process: asyncio.subprocess.Process, send: Send) -> int:
    """Turn the CGI answer into ours and stream its body."""
    assert process.stdout is not None
    try:
        head = await process.stdout.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        head = b"Status: 500 git http-backend gave no answer\r\n\r\n"
    status, headers = 200, []
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"status":
            status = int(value.split()[0])
        elif name:
            headers.append((name.strip().lower(), value.strip()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    while piece := await process.stdout.read(_PIECE):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return status
