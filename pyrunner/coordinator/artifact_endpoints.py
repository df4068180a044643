"""Artifacts: upload by the running job, download with the consuming job's token (runner-api.md 1.10-1.12)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response

from pyrunner.coordinator.calls import Call, forbidden, message, status_text
from pyrunner.coordinator.conduct import Conduct
from pyrunner.coordinator.files import file_response
from pyrunner.coordinator.job_endpoints import JobEndpoints
from pyrunner.coordinator.records import Artifact, JobRecord
from pyrunner.coordinator.store import Store
from pyrunner.coordinator.upload import ReceivedFile, UploadError, UploadReceiver

#: Formats that each type may have (runner-api.md 3.9).
FORMATS: Final[dict[str, str]] = {
    **dict.fromkeys(("archive", "lsif"), "zip"),
    **dict.fromkeys(
        (
            *("junit", "metrics", "metrics_referee", "network_referee", "dotenv", "cobertura", "jacoco"),
            *("cluster_applications", "cyclonedx", "annotations", "repository_xray"),
        ),
        "gzip",
    ),
    **dict.fromkeys(
        (
            *("sast", "secret_detection", "dependency_scanning", "container_scanning"),
            *("cluster_image_scanning", "dast", "license_scanning", "accessibility", "codequality"),
            *("performance", "browser_performance", "load_performance", "terraform", "requirements"),
            *("requirements_v2", "coverage_fuzzing", "api_fuzzing"),
        ),
        "raw",
    ),
}


class ArtifactEndpoints:
    """Answers the calls about artifacts."""

    def __init__(self, store: Store, conduct: Conduct, jobs: JobEndpoints) -> None:
        self._store = store
        self._conduct = conduct
        self._jobs = jobs
        #: Says what is wrong with an uploaded report of a type; empty when nothing is.
        self.check_report: Callable[[str, Path], str] = lambda _kind, _path: ""
        #: Base URL of the object storage listener.
        self.objects_url = ""

    def authorize(self, call: Call) -> Response:
        """``POST /jobs/:id/artifacts/authorize``: Workhorse's call; nobody else may make it."""
        self._conduct.breach(call, 1, "the authorize endpoint is Workhorse's")
        return forbidden()

    async def upload(self, call: Call) -> Response:
        """``POST /jobs/:id/artifacts``: the body is streamed to disk."""
        self._conduct.check_headers(call, "multipart/form-data")
        query = call.request.query_params
        for key in query:
            if key not in ("artifact_format", "artifact_type", "expire_in") or query[key] == "":
                self._conduct.breach(call, 16, f"query parameter {key}={query[key]!r}")
        with self._store.changed:
            job = self._jobs.authenticate(call)
        if isinstance(job, Response):
            return await _drained(call, job)
        kind = query.get("artifact_type", "archive")
        file_format = query.get("artifact_format", "zip")
        if FORMATS.get(kind) != file_format:
            self._conduct.breach(call, 16, f"artifact type {kind!r} in format {file_format!r}")
            return await _drained(
                call, message(400, "400 Bad request - Invalid file format for artifact type")
            )
        path = self._store.artifact_folder(job.id) / f"{kind}.{secrets.token_hex(8)}"
        limit = self._store.settings.max_artifact_bytes
        try:
            receiver = UploadReceiver(call.headers.get("content-type", ""), path, limit)
            try:
                async for piece in call.request.stream():
                    receiver.write(piece)
            finally:
                receiver.close()
            received = receiver.finish()
        except ClientDisconnect:
            path.unlink(missing_ok=True)
            raise
        except UploadError as error:
            if error.status != 413:
                self._conduct.breach(call, 16, str(error))
                return message(error.status, f"{error.status} Bad request - {error}")
            return message(413, "413 Request Entity Too Large")
        refusal = self.check_report(kind, path)
        if refusal:
            path.unlink(missing_ok=True)
            return message(400, f"400 Bad request - {refusal}")
        artifact = Artifact(
            kind,
            file_format,
            received.filename,
            path,
            received.size,
            received.sha256,
            query.get("expire_in", ""),
        )
        return self._keep(call, job, artifact, received)

    def _keep(self, call: Call, job: JobRecord, artifact: Artifact, received: ReceivedFile) -> Response:
        with self._store.changed:
            before = job.artifacts.get(artifact.artifact_type)
            if before is None:
                self._store.keep_artifact(job, artifact)
                return status_text(201)
        artifact.path.unlink(missing_ok=True)
        if before.sha256 == received.sha256:
            return status_text(201)
        self._conduct.breach(call, 16, f"a second {artifact.artifact_type} with other content")
        return message(400, "400 Bad request - another artifact of the same type already exists")

    def download(self, call: Call) -> Response:
        """``GET /jobs/:id/artifacts``: ``:id`` is the dependency, the token the running job's."""
        self._conduct.check_headers(call, None)
        token = call.headers.get("job-token", "")
        with self._store.changed:
            owners = [one for one in self._store.jobs.values() if _same(one.token, token)]
            if not owners:
                self._conduct.breach(call, 16, "a download without the token of a job")
            reader = next((one for one in owners if one.processing), None)
            if reader is None:
                return message(401, "401 Unauthorized")
            source = self._store.jobs.get(call.job_id or 0)
            if source is None or not self._may_read(reader, source):
                return forbidden()
            archive = source.artifacts.get("archive")
        if archive is None:
            return message(404, "404 Not found")
        direct = call.request.query_params.get("direct_download") == "true"
        if direct and self._store.settings.direct_download and self.objects_url:
            return RedirectResponse(f"{self.objects_url}/{self._sign(archive)}", 302)
        return file_response(archive.path, archive.filename)

    def _may_read(self, reader: JobRecord, source: JobRecord) -> bool:
        dependencies = reader.payload.get("dependencies") or []
        return source is reader or any(one.get("id") == source.id for one in dependencies)

    def _sign(self, archive: Artifact) -> str:
        return f"{archive.path.parent.name}/{archive.path.name}"


async def _drained(call: Call, response: Response) -> Response:
    async for _ in call.request.stream():
        pass
    return response


def _same(one: str, other: str) -> bool:
    return secrets.compare_digest(one.encode(), other.encode())
