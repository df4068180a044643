"""Registration and tokens of runners (runner-api.md 1.1 to 1.6 and 1.13)."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from pyrunner.coordinator.calls import Call, forbidden, message, missing
from pyrunner.coordinator.conduct import Conduct
from pyrunner.coordinator.records import RunnerRecord
from pyrunner.coordinator.store import Store


class RunnerEndpoints:
    """Answers the calls about runners."""

    def __init__(self, store: Store, conduct: Conduct) -> None:
        self._store = store
        self._conduct = conduct

    def register(self, call: Call) -> Response:
        """``POST /runners``: legacy registration."""
        self._conduct.check_headers(call, "application/json")
        self._conduct.check_info(call, call.data.get("info"), registration=True)
        info = call.data.get("info")
        if isinstance(info, dict) and (info.get("executor") or info.get("shell")):
            self._conduct.breach(call, 5, "a registration names executor or shell")
        for key in ("run_untagged", "locked", "paused"):
            if not isinstance(call.data.get(key), bool):
                self._conduct.breach(call, 2, f"{key} is not a boolean")
        if not isinstance(call.data.get("tag_list", ""), str):
            self._conduct.breach(call, 2, "tag_list is not a string")
        token = call.data.get("token")
        if not token:
            return missing("token")
        if not self._store.settings.registration_allowed:
            return message(410, "410 Gone")
        if not _same(token, self._store.registration_token) or not self._header_agrees(call, token):
            return forbidden()
        runner = self._store.add_runner(
            f"glrtr-{secrets.token_urlsafe(15)}",
            description=str(call.data.get("description", "")),
            paused=call.data.get("paused") is True,
            registration={key: value for key, value in call.data.items() if key != "token"},
        )
        return self._details(runner, 201)

    def verify(self, call: Call) -> Response:
        """``POST /runners/verify``."""
        self._conduct.check_headers(call, "application/json")
        self._conduct.check_info(call, call.data.get("info"))
        runner = self.authenticate(call)
        if isinstance(runner, Response):
            return runner
        if "system_id" in call.data:
            self._conduct.check_system_id(call, runner, call.data["system_id"])
            self._store.manager(runner, str(call.data["system_id"]), call.data.get("info") or {})
        if self._store.settings.legacy:
            return PlainTextResponse("200")
        return self._details(runner, 200)

    def unregister(self, call: Call) -> Response:
        """``DELETE /runners``: for all its managers."""
        self._conduct.check_headers(call, "application/json")
        runner = self.authenticate(call)
        if isinstance(runner, Response):
            return runner
        self._store.remove_runner(runner)
        return Response(status_code=204)

    def unregister_manager(self, call: Call) -> Response:
        """``DELETE /runners/managers``: this system's only."""
        self._conduct.check_headers(call, "application/json")
        if not call.data.get("system_id"):
            return missing("system_id")
        runner = self.authenticate(call)
        if isinstance(runner, Response):
            return runner
        with self._store.changed:
            if runner.managers.pop(str(call.data["system_id"]), None) is None:
                return message(404, "404 Runner manager not found Not Found")
            self._store.notify()
        return Response(status_code=204)

    def reset_token(self, call: Call) -> Response:
        """``POST /runners/reset_authentication_token`` with the current token."""
        self._conduct.check_headers(call, "application/json")
        for header in ("runner-token", "private-token"):
            if header in call.headers:
                self._conduct.breach(call, 3, f"{header} is sent with a reset by the current token")
        runner = self.authenticate(call, header=False)
        if isinstance(runner, Response):
            return runner
        return self._reset(runner)

    def reset_token_of(self, call: Call) -> Response:
        """``POST /runners/:id/reset_authentication_token`` with a personal access token."""
        self._conduct.check_headers(call, "application/json")
        if call.body.strip() != b"null":
            self._conduct.breach(call, 2, "the body of a reset by a personal access token is not null")
        given = call.headers.get("private-token", "")
        if not _same(given, self._store.personal_access_token):
            return message(401, "401 Unauthorized")
        runner = self._store.runners.get(int(call.request.path_params["runner_id"]))
        if runner is None:
            return message(404, "404 Runner Not Found")
        return self._reset(runner)

    def discovery(self, call: Call) -> Response:
        """``GET /runners/router/discovery``."""
        self._conduct.check_headers(call, None)
        if self._store.runner_by_token(call.headers.get("runner-token", "")) is None:
            return forbidden()
        url = self._store.settings.job_router_url
        return JSONResponse({"server_url": url}) if url else message(501, "501 Not Implemented")

    def authenticate(self, call: Call, header: bool = True) -> RunnerRecord | Response:
        """Return the runner that calls, or the refusal (rules 3 and 4).

        :param header: ``RUNNER-TOKEN`` is due and has to equal the token in the body.
        """
        token = call.data.get("token")
        if not token:
            self._conduct.breach(call, 4, "token is missing in the body")
            return missing("token")
        if header and not self._header_agrees(call, token):
            return forbidden()
        runner = self._store.runner_by_token(token) if isinstance(token, str) else None
        return runner if runner is not None else forbidden()

    def _header_agrees(self, call: Call, token: Any) -> bool:
        if _same(call.headers.get("runner-token", ""), token):
            return True
        self._conduct.breach(call, 3, "RUNNER-TOKEN differs from the token in the body")
        return False

    def _reset(self, runner: RunnerRecord) -> Response:
        self._store.reset_token(runner)
        answer = {"token": runner.token}
        if runner.expires_at:
            answer["token_expires_at"] = runner.expires_at
        return JSONResponse(answer, 201)

    @staticmethod
    def _details(runner: RunnerRecord, status: int) -> Response:
        details = {"id": runner.id, "token": runner.token, "token_expires_at": runner.expires_at}
        return JSONResponse(details, status)


def _same(given: Any, expected: Any) -> bool:
    if not isinstance(given, str) or not isinstance(expected, str):
        return False
    return secrets.compare_digest(given.encode(), expected.encode())
