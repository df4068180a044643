"""The ASGI application: which path leads where (runner-api.md 1)."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pyrunner.coordinator.calls import Call, DroppedConnection, message
from pyrunner.coordinator.dispatcher import Dispatcher, Handler
from pyrunner.coordinator.faults import Endpoint
from pyrunner.coordinator.state import CoordinatorState


class Application:
    """ASGI: admin endpoints, the runner API, else repositories; an unknown API path is recorded (rule 1)."""

    def __init__(self, state: CoordinatorState, admin: ASGIApp) -> None:
        self._state = state
        self._admin = admin
        self._dispatcher = Dispatcher(state)
        self._routes = self._api()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope["path"]
        if path.startswith("/-/pyrunner/"):
            await self._admin(scope, receive, send)
        elif path.startswith("/api/"):
            await self._route(scope, receive, send)
        else:
            await self._git(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        for route in self._routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                await route.handle(scope, receive, send)
                return
        self._state.violations.record(1, "unknown method or path", f"{scope['method']} {scope['path']}")
        await message(404, "404 Not Found")(scope, receive, send)

    async def _git(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(Request(scope, receive, send), Endpoint.GIT)
        fault = self._state.faults.take(Endpoint.GIT, None)
        arrived = time.time()
        if fault is None:
            status = await self._state.git.serve(scope, receive, send)
            self._dispatcher.note(call, arrived, Response(status_code=status), None)
            return

        async def unavailable(_: Call) -> Response:
            return DroppedConnection()

        response = await self._dispatcher.faulted(call, unavailable, fault)
        self._dispatcher.note(call, arrived, response, fault)
        await response(scope, receive, send)

    def _api(self) -> list[Route]:
        state = self._state
        runners, jobs, artifacts = state.runners, state.jobs, state.artifacts

        async def request_job(call: Call) -> Response:
            return await state.job_requests.answer(call, state.watch())

        table: list[tuple[str, str, str, Handler | Callable[[Call], Response]]] = [
            ("POST", "/jobs/request", Endpoint.REQUEST, request_job),
            ("PATCH", "/jobs/{job_id:int}/trace", Endpoint.TRACE, jobs.patch),
            ("PUT", "/jobs/{job_id:int}", Endpoint.UPDATE, jobs.update),
            ("POST", "/jobs/{job_id:int}/artifacts", Endpoint.UPLOAD, artifacts.upload),
            ("GET", "/jobs/{job_id:int}/artifacts", Endpoint.DOWNLOAD, artifacts.download),
            ("POST", "/jobs/{job_id:int}/artifacts/authorize", Endpoint.UPLOAD, artifacts.authorize),
            ("POST", "/runners", Endpoint.REGISTER, runners.register),
            ("DELETE", "/runners", Endpoint.UNREGISTER, runners.unregister),
            ("POST", "/runners/verify", Endpoint.VERIFY, runners.verify),
            ("DELETE", "/runners/managers", Endpoint.UNREGISTER_MANAGER, runners.unregister_manager),
            ("POST", "/runners/reset_authentication_token", Endpoint.RESET_TOKEN, runners.reset_token),
            (
                "POST",
                "/runners/{runner_id:int}/reset_authentication_token",
                Endpoint.RESET_TOKEN,
                runners.reset_token_of,
            ),
            ("GET", "/runners/router/discovery", Endpoint.DISCOVERY, runners.discovery),
        ]
        return [self._dispatcher.route(*row) for row in table]
