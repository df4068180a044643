"""``/-/pyrunner/``: the coordinator's own endpoints, for tests in other processes and for operators.

Loopback only, and only with the admin token: whoever may queue a job may run programs as the runner.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from pyrunner.coordinator.calls import forbidden, message
from pyrunner.coordinator.faults import Drop, Fault
from pyrunner.coordinator.records import JobRecord
from pyrunner.coordinator.settings import CoordinatorSettings
from pyrunner.errors import PyrunnerError

if TYPE_CHECKING:
    from pyrunner.coordinator.server import EmbeddedCoordinator


class AdminAPI:
    """Answers the calls below ``/-/pyrunner/``; each does what the method of its name does."""

    def __init__(self, coordinator: EmbeddedCoordinator) -> None:
        self._coordinator = coordinator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, send)
        response = self._refusal(request)
        if response is None:
            try:
                response = await self._answer(request)
            except KeyError as error:
                response = message(404, f"404 Not Found - {error.args[0]}")
            except (ValueError, TypeError, PyrunnerError) as error:
                response = message(400, f"400 Bad request - {error}")
        await response(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        host = request.client.host if request.client else ""
        given = request.headers.get("authorization", "")
        expected = f"Bearer {self._coordinator.admin_token}"
        loopback = bool(host) and ipaddress.ip_address(host).is_loopback
        if loopback and secrets.compare_digest(given.encode(), expected.encode()):
            return None
        return forbidden()

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        data = json.loads(body) if body else {}
        if not isinstance(data, dict):
            raise ValueError("the body is not a JSON object")
        parts = request.url.path.removeprefix("/-/pyrunner/").split("/")
        if len(parts) >= 2 and parts[0] == "jobs":
            return self._job(request.method, int(parts[1]), parts[2:], data)
        match request.method, parts:
            case "GET", ["state"]:
                return JSONResponse(self._state())
            case "POST", ["jobs"]:
                return JSONResponse({"id": self._coordinator.enqueue(**data)}, 201)
            case "POST", ["runners"]:
                return JSONResponse({"token": self._coordinator.add_runner(**data)}, 201)
            case "POST", ["repositories"]:
                self._coordinator.add_repository(str(data["name"]), Path(str(data["path"])))
                return Response(status_code=204)
            case "POST", ["faults"]:
                self._coordinator.faults.add(_fault(data))
                return Response(status_code=204)
            case "DELETE", ["faults"]:
                self._coordinator.faults.clear()
                return Response(status_code=204)
            case "PATCH", ["settings"]:
                self._change_settings(data)
                return JSONResponse(dataclasses.asdict(self._coordinator.settings))
        raise KeyError(f"{request.method} {request.url.path}")

    def _job(self, method: str, job_id: int, rest: list[str], data: dict[str, Any]) -> Response:
        match method, rest:
            case "GET", []:
                return JSONResponse(_describe(self._coordinator.job(job_id)))
            case "GET", ["trace"]:
                return Response(self._coordinator.trace(job_id), media_type="text/plain")
            case "GET", ["terminal"]:
                return JSONResponse(self._coordinator.terminal(job_id))
            case "POST", ["cancel"]:
                self._coordinator.cancel(job_id, data.get("graceful"))
                return Response(status_code=204)
        raise KeyError("/".join(rest))

    def _state(self) -> dict[str, Any]:
        coordinator = self._coordinator
        with coordinator.store.changed:
            runners = [
                {
                    "id": one.id,
                    "description": one.description,
                    "paused": one.paused,
                    "managers": list(one.managers),
                }
                for one in coordinator.store.runners.values()
            ]
            jobs = [_describe(one) for one in coordinator.store.jobs.values()]
        return {
            "runners": runners,
            "jobs": jobs,
            "violations": [dataclasses.asdict(one) for one in coordinator.violations],
            "faults": [dataclasses.asdict(one) for one in coordinator.faults.pending()],
        }

    def _change_settings(self, data: dict[str, Any]) -> None:
        known = {field.name for field in dataclasses.fields(CoordinatorSettings)}
        if unknown := sorted(data.keys() - known):
            raise ValueError(f"unknown settings: {', '.join(unknown)}")
        for key, value in data.items():
            setattr(self._coordinator.settings, key, value)


def _fault(data: dict[str, Any]) -> Fault:
    fault = Fault(**data)
    if fault.drop is not None:
        fault.drop = Drop(fault.drop)
    return fault


def _describe(job: JobRecord) -> dict[str, Any]:
    return {
        "id": job.id,
        "name": job.payload.get("job_info", {}).get("name", ""),
        "state": job.state,
        "failure_reason": job.failure_reason,
        "exit_code": job.exit_code,
        "trace_size": job.trace.size,
        "trace_checksum": job.trace.checksum,
        "artifacts": {
            kind: {"filename": one.filename, "size": one.size, "sha256": one.sha256}
            for kind, one in job.artifacts.items()
        },
        "events": [dataclasses.asdict(one) for one in job.events],
    }
