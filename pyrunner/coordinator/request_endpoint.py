"""``POST /jobs/request``: Workhorse's long poll in front, Rails' queue behind (runner-api.md 1.7)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Final

from starlette.responses import JSONResponse, Response

from pyrunner.coordinator.assignment import next_job
from pyrunner.coordinator.calls import Call, message
from pyrunner.coordinator.conduct import Conduct
from pyrunner.coordinator.records import ManagerRecord, RunnerRecord
from pyrunner.coordinator.runner_endpoints import RunnerEndpoints
from pyrunner.coordinator.store import Store
from pyrunner.coordinator.terminals import remember_session

#: Largest body that Workhorse takes.
LARGEST_BODY: Final = 32 * 1024
LAST_UPDATE: Final = "X-GitLab-Last-Update"


class QueueWatch:
    """Wakes held job requests; lives in the event loop of one serving of the coordinator."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Event] = set()
        self._stopped = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether the server is about to stop."""
        return self._stopped.is_set()

    def wake(self) -> None:
        """Wake every held request, from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set)

    def stop(self) -> None:
        """End all waiting, in the loop's thread."""
        self._stopped.set()
        self._set()

    async def pause(self, seconds: float) -> None:
        """Let time pass; the end of the server ends it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), seconds)

    def _set(self) -> None:
        for event in self._waiting:
            event.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until something may have changed; False after ``seconds``."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            if self.stopping:
                return True
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(event)
        return True


class RequestEndpoint:
    """Hands jobs out."""

    def __init__(self, store: Store, conduct: Conduct, runners: RunnerEndpoints) -> None:
        self._store = store
        self._conduct = conduct
        self._runners = runners
        self._under_way: Counter[tuple[str, str]] = Counter()

    @property
    def under_way(self) -> int:
        """Job requests that wait for their answer."""
        return self._under_way.total()

    async def answer(self, call: Call, watch: QueueWatch) -> Response:
        """Answer one job request."""
        key = (str(call.data.get("token")), str(call.data.get("system_id")))
        with self._store.changed:
            self._under_way[key] += 1
            self._store.notify()
        try:
            return await self._answer(call, watch, self._under_way[key])
        finally:
            self._under_way[key] -= 1
            if not self._under_way[key]:
                del self._under_way[key]

    async def _answer(self, call: Call, watch: QueueWatch, requests: int) -> Response:
        self._conduct.check_headers(call, "application/json")
        if len(call.body) > LARGEST_BODY:
            self._conduct.breach(call, 7, f"a body of {len(call.body)} bytes")
            return message(413, "413 Request Entity Too Large")
        runner = self._store.runner_by_token(str(call.data.get("token") or ""))
        if runner is not None:
            self._conduct.check_admission(call, runner, requests=requests)
        held = await self._hold(call, watch, runner)
        if held is not None:
            return held
        authenticated = self._runners.authenticate(call)
        if isinstance(authenticated, Response):
            return authenticated
        self._conduct.check_info(call, call.data.get("info"))
        system_id = call.data.get("system_id")
        self._conduct.check_system_id(call, authenticated, system_id)
        manager = self._store.manager(authenticated, str(system_id), call.data.get("info") or {})
        response = self._take(call, authenticated, manager)
        if self._store.settings.long_poll_seconds > 0:
            response.headers["Gitlab-Ci-Builds-Polling"] = "yes"
        return response

    async def _hold(self, call: Call, watch: QueueWatch, runner: RunnerRecord | None) -> Response | None:
        """Return Workhorse's own bare 204, None where the request goes on to Rails."""
        seconds = self._store.settings.long_poll_seconds
        last_update = call.data.get("last_update")
        if seconds <= 0 or not last_update or runner is None or runner.queue_value != last_update:
            return None
        deadline = asyncio.get_running_loop().time() + seconds
        disconnected = asyncio.ensure_future(_disconnect(call))
        try:
            while runner.queue_value == last_update and not watch.stopping:
                left = deadline - asyncio.get_running_loop().time()
                waiting = asyncio.ensure_future(watch.wait(max(left, 0)))
                await asyncio.wait({waiting, disconnected}, return_when=asyncio.FIRST_COMPLETED)
                if disconnected.done():
                    waiting.cancel()
                    break
                if not waiting.result():
                    break
        finally:
            disconnected.cancel()
        return Response(status_code=204, headers={"Gitlab-Ci-Builds-Polling": "yes"})

    def _running(self, runner: RunnerRecord, manager: ManagerRecord) -> int:
        return sum(
            one.processing and one.assigned_runner_id == runner.id and one.system_id == manager.system_id
            for one in self._store.jobs.values()
        )

    def _take(self, call: Call, runner: RunnerRecord, manager: ManagerRecord) -> Response:
        with self._store.changed:
            value = runner.queue_value
            if runner.paused or call.data.get("last_update") == value:
                return Response(status_code=204, headers={LAST_UPDATE: value})
            self._store.expire_waiting()
            if self._store.settings.conflict and self._store.queue:
                return message(409, "409 Conflict")
            job = next_job(self._store, runner, manager)
            if job is None:
                return Response(status_code=204, headers={LAST_UPDATE: value})
            if runner.limit is not None:
                self._conduct.check_admission(call, runner, jobs=self._running(runner, manager))
        call.job_id = job.id
        remember_session(job, call.data.get("session"))
        return JSONResponse(job.payload, 201)


async def _disconnect(call: Call) -> None:
    while (await call.request.receive())["type"] != "http.disconnect":
        pass
