"""The path every API call takes: read, check, fault, handle, note what was answered."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from pyrunner.coordinator.calls import Call, CutResponse, DroppedConnection, message
from pyrunner.coordinator.faults import Drop, Endpoint, Fault
from pyrunner.coordinator.request_log import LOGGED_HEADERS, LoggedRequest
from pyrunner.coordinator.state import CoordinatorState

#: Largest body that is read into memory: a PATCH of 1 MiB with room for a runner that sends too much.
LARGEST_BODY: Final = 8 << 20

Handler = Callable[[Call], Awaitable[Response]]


class Dispatcher:
    """The path of every call: read, log, check, fault, handle, note what was answered."""

    def __init__(self, state: CoordinatorState) -> None:
        self._state = state

    def route(
        self, method: str, path: str, endpoint: str, handler: Handler | Callable[[Call], Response]
    ) -> Route:
        """Return the route of one endpoint; an upload's handler reads the body itself."""

        async def handle(call: Call) -> Response:
            answer = handler(call)
            return answer if isinstance(answer, Response) else await answer

        async def serve(request: Request) -> Response:
            return await self._answer(request, endpoint, handle, endpoint == Endpoint.UPLOAD)

        return Route(f"/api/v4{path}", serve, methods=[method])

    async def _answer(self, request: Request, endpoint: str, handler: Handler, streams: bool) -> Response:
        arrived = time.time()
        job_id = request.path_params.get("job_id")
        call = Call(request, endpoint, int(job_id) if job_id is not None else None)
        if not streams and not await self._read(call):
            return message(413, "413 Request Entity Too Large")
        if endpoint == Endpoint.UPDATE:
            running = call.data.get("state") == "running"
            call.endpoint = Endpoint.UPDATE_RUNNING if running else Endpoint.UPDATE_FINAL
        if call.endpoint in (Endpoint.UPDATE_RUNNING, Endpoint.UPDATE_FINAL, Endpoint.TRACE):
            with self._state.store.changed:
                job = self._state.jobs.find(call)
                if job is not None:
                    self._state.conduct.check_job_call(call, job)
        fault = self._state.faults.take(call.endpoint, call.job_id)
        if fault is not None:
            with self._state.store.changed:
                self._state.store.notify()
        try:
            response = await (self.faulted(call, handler, fault) if fault else handler(call))
        except ClientDisconnect:
            response = DroppedConnection()
        if self._state.stopping:
            response = DroppedConnection()  # the connection is about to be reset anyway
        self.note(call, arrived, response, fault)
        return response

    async def _read(self, call: Call) -> bool:
        pieces: list[bytes] = []
        size = 0
        async for piece in call.request.stream():
            size += len(piece)
            if size <= LARGEST_BODY:
                pieces.append(piece)
        call.body = b"".join(pieces)
        if call.endpoint != Endpoint.TRACE and call.body:
            try:
                data = json.loads(call.body)
            except ValueError:
                data = None
            call.data = data if isinstance(data, dict) else {}
        return size <= LARGEST_BODY

    async def faulted(self, call: Call, handler: Handler, fault: Fault) -> Response:
        """Return what a fault makes of a call."""
        if fault.delay > 0:
            await self._state.watch().pause(fault.delay)
            if self._state.stopping:
                return DroppedConnection()
        job = self._state.store.jobs.get(call.job_id or 0)
        if fault.truncate is not None and job is not None:
            with self._state.store.changed:
                job.trace.truncate(fault.truncate)
        if fault.drop is Drop.BEFORE:
            return DroppedConnection()
        replaced = fault.status is not None
        response = await handler(call) if fault.apply or not replaced else None
        if fault.drop is Drop.AFTER:
            return DroppedConnection()
        if response is not None and fault.cut is not None:
            return CutResponse(response, fault.cut)
        if replaced or response is None:
            status = fault.status or 500
            body = fault.body or json.dumps({"message": f"{status} by request"})
            if status in (204, 304):
                body = ""
            return Response(body, status, fault.headers, fault.content_type)
        response.headers.update(fault.headers)
        return response

    def note(self, call: Call, arrived: float, response: Response, fault: Fault | None) -> None:
        """Log a call and tell the checks what it was answered."""
        dropped = isinstance(response, DroppedConnection)
        status = 0 if dropped else response.status_code
        headers = {name: call.headers[name] for name in LOGGED_HEADERS if name in call.headers}
        url = call.request.url
        state = self._state
        logged = LoggedRequest(
            arrived, call.request.method, url.path, url.query, call.endpoint, status, call.job_id, headers
        )
        with state.store.changed:
            state.requests.append(logged)
            job = state.store.jobs.get(call.job_id or 0)
            if job is None:
                state.store.notify()
                return
            state.store.add_event(job, call.endpoint, status, str(call.data.get("state", "")))
            if call.endpoint in (Endpoint.UPDATE_RUNNING, Endpoint.UPDATE_FINAL, Endpoint.TRACE):
                cut = isinstance(response, CutResponse)
                state.jobs.told(call, job, None if dropped or cut else response, fault is not None)
