"""Artifacts fetched in ranges: ``FF_USE_PARALLEL_ARTIFACT_TRANSFER`` (runner-api.md 7.3, step 2)."""

from __future__ import annotations

import http.server
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.gitlab.credentials import JobCredentials, RunnerCredentials
from pyrunner.gitlab.direct import DirectTransport
from pyrunner.gitlab.downloads import DownloadState, download_artifacts
from pyrunner.gitlab.ranges import RANGE
from pyrunner.gitlab.streams import Streaming
from pyrunner.gitlab.transport import Transport

CONTENT = os.urandom(1 << 20) * 33
JOB = JobCredentials(9, "64_jobsecret")


class Storage(http.server.ThreadingHTTPServer):
    """A coordinator that redirects to object storage, both in one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges: list[str] = []
        self.whole = 0
        self.tokens: list[str | None] = []
        #: What to do wrong.
        self.fault = ""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers whole files and ranges."""

    protocol_version = "HTTP/1.1"
    server: Storage

    def do_GET(self) -> None:
        """Redirect, or send."""
        content, fault = self.server.content, self.server.fault
        if self.path.startswith("/api/"):
            self._send(302, b"", Location=f"{self.server.url}/bucket/file?signature=x")
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked is None or fault == "no ranges":
            self.server.whole += 1
            self._send(200, content)
            return
        self.server.ranges.append(asked[0])
        self.server.tokens.append(self.headers.get("JOB-TOKEN"))
        first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
        if fault == "no total":
            self._send(206, content[first : last + 1], **{"Content-Range": f"bytes {first}-{last}/*"})
        elif fault == "refused" and first:
            self._send(403, b"")
        elif fault == "shifted" and first:
            self._send(206, content[first + 1 : last + 1], **self._place(first + 1, last))
        else:
            etag = f'"{first}"' if fault == "replaced" else '"one"'
            self._send(206, content[first : last + 1], ETag=etag, **self._place(first, last))

    def _place(self, first: int, last: int) -> dict[str, str]:
        return {"Content-Range": f"bytes {first}-{last}/{len(self.server.content)}"}

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def storage() -> Iterator[Storage]:
    """Serve as long as the test."""
    with Storage() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(params=[DirectTransport, Transport])
def transport(storage: Storage, request: pytest.FixtureRequest) -> Iterator[Streaming]:
    """Both ways to a coordinator."""
    made = request.param(RunnerCredentials(url=storage.url, token="t"))
    yield made
    made.close()


def test_a_large_archive_comes_in_ranges(
    storage: Storage, transport: Streaming, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A probe, then each range once, without the job token; the file is the same."""
    caplog.set_level("INFO")
    sizes: list[int] = []
    result = download_artifacts(transport, JOB, tmp_path / "file", parallel=True, on_bytes=sizes.append)
    assert (result.state, result.size) == (DownloadState.SUCCEEDED, len(CONTENT))
    assert (tmp_path / "file").read_bytes() == CONTENT
    ends = [*range(RANGE, len(CONTENT), RANGE), len(CONTENT)]
    expected = {f"bytes={start}-{end - 1}" for start, end in zip([0, *ends], ends, strict=False)}
    assert storage.ranges[0] == "bytes=0-0"
    assert set(storage.ranges[1:]) == expected
    assert len(storage.ranges) == len(expected) + 1
    assert (storage.whole, sum(sizes)) == (0, len(CONTENT))
    assert set(storage.tokens) == {None}
    assert "Artifact download: parallel, 16 streams, 16 MiB chunk size" in caplog.messages
    assert "signature" not in caplog.text
    assert caplog.messages[-1] == "Downloading artifacts from coordinator... ok"


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("no ranges", "remote host does not support Range, using single download stream"),
        ("no total", "unknown size (no Content-Range total), using single download stream"),
        ("small", "file size <= 16 MiB (chunk size), using single download stream"),
        ("refused", "parallel failed, using single download stream"),
        ("shifted", "parallel failed, using single download stream"),
        ("replaced", "parallel failed, using single download stream"),
    ],
)
def test_anything_unexpected_takes_the_ordinary_way(
    storage: Storage,
    transport: Streaming,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    fault: str,
    text: str,
) -> None:
    """Step 3: the API is asked again and the whole file fetched."""
    caplog.set_level("INFO")
    storage.fault = fault
    if fault == "small":
        storage.content = CONTENT[:RANGE]
    assert download_artifacts(transport, JOB, tmp_path / "file", parallel=True).size == len(storage.content)
    assert (tmp_path / "file").read_bytes() == storage.content
    assert storage.whole >= 1
    assert f"Artifact download: {text}" in caplog.messages


def test_off_by_default(storage: Storage, transport: Streaming, tmp_path: Path) -> None:
    """Without the flag there is no range."""
    assert download_artifacts(transport, JOB, tmp_path / "file").size == len(CONTENT)
    assert storage.ranges == []
