"""A runner in a few lines of plain HTTP: what the coordinator's own tests speak."""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Mapping
from typing import Any

import requests

from pyrunner.coordinator.conduct import FEATURES, NETWORK_FEATURES

USER_AGENT = "gitlab-runner 19.4.0 (19-4-stable; go1.25.1; linux/amd64)"
SYSTEM_ID = "s_0123456789ab"


def full_info(**features: bool) -> dict[str, Any]:
    """Return an ``info`` object with every feature on, except those given."""
    return {
        "name": "gitlab-runner",
        "version": "19.4.0",
        "executor": "shell",
        "shell": "bash",
        "config": {"gpus": ""},
        "features": {**dict.fromkeys(FEATURES, True), **features},
    }


def registration_info() -> dict[str, Any]:
    """Return the ``info`` of a registration: network features only."""
    features = {name: name in NETWORK_FEATURES for name in FEATURES}
    return {"name": "gitlab-runner", "version": "19.4.0", "config": {"gpus": ""}, "features": features}


class PlainRunner:
    """Well-behaved unless a test makes it misbehave; remembers what it has sent of one job's trace."""

    def __init__(self, url: str, token: str, info: dict[str, Any] | None = None) -> None:
        self.api = f"{url}/api/v4"
        self.token = token
        self.info = info or full_info()
        self.session = requests.Session()
        self.session.trust_env = False
        self.last_update = ""
        self.job: dict[str, Any] = {}
        self.sent = b""

    def call(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send one call with the headers every call has."""
        headers = {
            "User-Agent": USER_AGENT,
            "X-Request-Id": uuid.uuid4().hex,
            **arguments.pop("headers", {}),
        }
        url = path if path.startswith("http") else self.api + path
        arguments.setdefault("allow_redirects", False)
        return self.session.request(method, url, headers=headers, timeout=30, **arguments)

    def as_runner(self, method: str, path: str, **body: Any) -> requests.Response:
        """Send a call about the runner: the token goes into header and body."""
        headers = {"RUNNER-TOKEN": self.token, "Accept": "application/json"}
        return self.call(method, path, json={"token": self.token, **body}, headers=headers)

    def request(self, **body: Any) -> requests.Response:
        """Ask for a job; a job that comes is remembered."""
        fields: dict[str, Any] = {"info": self.info, "system_id": SYSTEM_ID}
        if self.last_update:
            fields["last_update"] = self.last_update
        answer = self.as_runner("POST", "/jobs/request", **{**fields, **body})
        self.last_update = answer.headers.get("X-GitLab-Last-Update", self.last_update)
        if answer.status_code == 201:
            self.job = answer.json()
            self.sent = b""
        return answer

    def take(self) -> dict[str, Any]:
        """Take a job and acknowledge it."""
        assert self.request().status_code == 201
        assert self.put("running").status_code == 200
        return self.job

    @property
    def checksum(self) -> str:
        """Checksum of what was sent."""
        return f"crc32:{zlib.crc32(self.sent):08x}"

    def put(self, state: str, **fields: Any) -> requests.Response:
        """Update the job; a final state carries size and checksum of what was sent."""
        body: dict[str, Any] = {"info": self.info, "token": self.job["token"], "state": state, "output": {}}
        if state != "running":
            body["checksum"] = self.checksum
            body["output"] = {"checksum": self.checksum}
            if self.sent:
                body["output"]["bytesize"] = len(self.sent)
        body.update(fields)
        headers = {"JOB-TOKEN": self.job["token"]}
        return self.call("PUT", f"/jobs/{self.job['id']}", json=body, headers=headers)

    def patch(
        self, data: bytes, start: int | None = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a piece of the trace; it counts as sent when the answer is 202."""
        begin = len(self.sent) if start is None else start
        fields = {
            "JOB-TOKEN": self.job["token"],
            "Content-Type": "text/plain",
            "Content-Range": f"{begin}-{begin + len(data) - 1}",
            **(headers or {}),
        }
        path = f"/jobs/{self.job['id']}/trace?debug_trace=false"
        answer = self.call("PATCH", path, data=data, headers=fields)
        if answer.status_code == 202:
            self.sent = self.sent[:begin] + data
        return answer

    def upload(self, content: bytes, filename: str = "artifacts.zip", **query: str) -> requests.Response:
        """Upload an artifact of the job."""
        return self.call(
            "POST",
            f"/jobs/{self.job['id']}/artifacts",
            params=query or {"artifact_type": "archive", "artifact_format": "zip"},
            files={"file": (filename, content, "application/octet-stream")},
            headers={"JOB-TOKEN": self.job["token"]},
        )

    def download(self, job_id: int, **arguments: Any) -> requests.Response:
        """Download the archive of a job with the running job's token."""
        path = f"/jobs/{job_id}/artifacts"
        return self.call("GET", path, headers={"JOB-TOKEN": self.job["token"]}, **arguments)
