"""The second listener: an object storage that signed URLs of downloads lead to (runner-api.md 7.3)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pyrunner.coordinator.files import file_response
from pyrunner.coordinator.store import Store


class ObjectStorage:
    """Serves stored artifacts by the unguessable name of their file, with ranges, without credentials."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        await self._answer(request)(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        with self._store.changed:
            artifacts = [one for job in self._store.jobs.values() for one in job.artifacts.values()]
        for artifact in artifacts:
            if request.url.path == f"/{artifact.path.parent.name}/{artifact.path.name}":
                if request.method != "GET":
                    return Response("<Error><Code>MethodNotAllowed</Code></Error>", 405)
                return file_response(artifact.path, artifact.filename, request.headers.get("range", ""))
        body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        return Response(body, 403, media_type="application/xml")
