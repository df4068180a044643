"""Presigned transfers against a scripted server (job-execution.md 7.2, 7.3)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyrunner.helper.remote import transfer
from pyrunner.helper.remote.failures import RetriableError, TransferError
from pyrunner.helper.remote.options import Source, Target, Tuning
from tests.support.http_script import ScriptedServer

TUNING = Tuning(60, 2, 0, 0, 65536, 100, 2, parallel=False)
DATE = {"Last-Modified": "Sat, 21 Nov 2026 08:00:00 GMT", "ETag": '"e"'}
SIGNATURE = "?X-Amz-Signature=secret"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server without answers."""
    with ScriptedServer() as scripted:
        yield scripted


@pytest.fixture
def file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Path:
    """Where the archive is to be; all lines captured."""
    caplog.set_level("INFO")
    return tmp_path / "cache" / "cache.zip"


def source(server: ScriptedServer, **changes: Any) -> Source:
    """Return a source at the server."""
    return Source(TUNING, url=f"{server.url}/key{SIGNATURE}")._replace(**changes)


def test_a_download(server: ScriptedServer, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The object's bytes as they are, its time and metadata; its signature is not told."""
    headers = {**DATE, "X-Amz-Meta-CacheKey": "k", "X-Other": "x", "Content-Encoding": "gzip"}
    server.answer(200, b"archive", headers)
    transfer.download(source(server), file)
    assert file.read_bytes() == b"archive"
    assert file.stat().st_mtime == 1795248000
    assert (file.parent / "metadata.json").read_text() == '{"cachekey":"k"}'
    assert caplog.messages == [
        "Using presigned URL for cache download",
        f"Downloading cache from {server.url}/key",
    ]
    assert (server.requests[0].method, server.requests[0].target) == ("GET", f"/key{SIGNATURE}")


def test_not_older_is_not_fetched(
    server: ScriptedServer, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The body is left where it is."""
    file.parent.mkdir()
    file.write_text("mine")
    server.answer(200, b"archive", DATE | {"Last-Modified": "Sat, 21 Nov 2015 08:00:00 GMT"})
    transfer.download(source(server), file)
    assert file.read_text() == "mine"
    assert caplog.messages[-1] == "cache.zip is up to date"


def test_server_failures_are_tried_again(server: ScriptedServer, file: Path) -> None:
    """A 5xx, a closed connection, half a body: each once more, so often."""
    server.answer(503)
    server.answer(200, b"archive", DATE, cut=3)
    server.answer(200, b"archive", DATE)
    transfer.download(source(server), file)
    assert file.read_bytes() == b"archive"
    assert len(server.requests) == 3
    server.answer(500, drop=True, times=3)
    with pytest.raises(RetriableError, match=r'^GET "http://127.0.0.1:\d+/other": ') as caught:
        transfer.download(Source(TUNING, url=f"{server.url}/other{SIGNATURE}"), file)
    assert "secret" not in str(caught.value)
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("status", "text"),
    [(404, "file does not exist"), (403, "received: 403 Forbidden"), (400, "received: 400")],
)
def test_refusals_are_final(server: ScriptedServer, file: Path, status: int, text: str) -> None:
    """One request, one reason."""
    server.answer(status)
    with pytest.raises(TransferError, match=text):
        transfer.download(source(server), file)
    assert len(server.requests) == 1
    assert not file.exists()


def test_a_redirect_is_followed(server: ScriptedServer, file: Path) -> None:
    """As Go's client does for a download."""
    server.answer(307, headers={"Location": f"{server.url}/elsewhere"})
    server.answer(200, b"archive", DATE)
    transfer.download(source(server), file)
    assert [one.target for one in server.requests] == [f"/key{SIGNATURE}", "/elsewhere"]


@pytest.mark.parametrize(
    ("primary", "alternate", "expected"),
    [
        ((200, "08:00:00"), (200, "09:00:00"), "/other"),
        ((200, "09:00:00"), (200, "09:00:00"), "/key"),
        ((200, "09:00:00"), (404, ""), "/key"),
        ((403, ""), (200, "09:00:00"), "/other"),
        ((404, ""), (404, ""), "/key"),
    ],
)
def test_the_newer_of_two(
    server: ScriptedServer,
    file: Path,
    primary: tuple[int, str],
    alternate: tuple[int, str],
    expected: str,
) -> None:
    """Each is asked for by its own HEAD; in doubt it is the first one."""
    for status, clock in (primary, alternate):
        server.answer(status, headers={"Last-Modified": f"Sat, 21 Nov 2026 {clock} GMT"} if clock else {})
    server.answer(200, b"archive", DATE)
    two = source(
        server,
        head_url=f"{server.url}/key-head",
        alternate_url=f"{server.url}/other{SIGNATURE}",
        alternate_head_url=f"{server.url}/other-head",
    )
    transfer.download(two, file)
    asked = [(one.method, one.target.partition("?")[0]) for one in server.requests]
    assert asked == [("HEAD", "/key-head"), ("HEAD", "/other-head"), ("GET", expected)]


def test_another_archive_between_two_ranges(server: ScriptedServer, file: Path) -> None:
    """Ranges of two archives make none: each asks for the one that was begun with."""
    parallel = TUNING._replace(parallel=True, retries=0)
    server.answer(206, b"x", {**DATE, "Content-Range": "bytes 0-0/250"})
    server.answer(412, times=3)
    with pytest.raises(TransferError, match="received: 412"):
        transfer.download(source(server)._replace(tuning=parallel), file)
    assert {one.headers["If-Match"] for one in server.requests[1:]} == {'"e"'}
    assert not file.exists()


def test_a_server_without_ranges(server: ScriptedServer, file: Path) -> None:
    """Is asked for the whole."""
    parallel = TUNING._replace(parallel=True)
    server.answer(200, b"archive", DATE)
    server.answer(200, b"archive", DATE)
    transfer.download(source(server)._replace(tuning=parallel), file)
    assert file.read_bytes() == b"archive"


def archive(file: Path) -> Path:
    """Make an archive of 300 kB."""
    file.parent.mkdir()
    file.write_bytes(b"x" * 300_000)
    os.utime(file, (0, 1795248000))
    return file


def test_an_upload(server: ScriptedServer, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With what was signed, its length and time; a second try sends all of it again."""
    server.answer(500)
    server.answer(200, headers={"ETag": '"e"'})
    headers = {"x-amz-meta-cachekey": "k"}
    transfer.upload(Target(TUNING, url=f"{server.url}/key{SIGNATURE}", headers=headers), archive(file), {})
    for request in server.requests:
        assert (request.method, request.body, request.chunked) == ("PUT", b"x" * 300_000, False)
        assert request.headers["x-amz-meta-cachekey"] == "k"
        assert request.headers["Content-Type"] == "application/octet-stream"
        assert request.headers["Last-Modified"] == "Sat, 21 Nov 2026 08:00:00 GMT"
    assert f"Uploading cache.zip to {server.url}/key" in caplog.messages
    assert "Retrying..." in caplog.messages
    assert "secret" not in caplog.text


def test_a_given_type_stays(server: ScriptedServer, file: Path) -> None:
    """It may be signed."""
    server.answer(200)
    target = Target(TUNING, url=f"{server.url}/key", headers={"content-type": "a/b"})
    transfer.upload(target, archive(file), {})
    assert server.requests[0].headers.get_all("Content-Type") == ["a/b"]


@pytest.mark.parametrize(
    ("status", "modified", "etag", "expected"),
    [
        (200, "08:00:00", "", True),
        (200, "07:59:59", "", False),
        (200, "07:59:59", '"mine"', True),
        (404, "08:00:00", "", False),
        (200, "", "", False),
    ],
)
def test_is_it_there(
    server: ScriptedServer, file: Path, status: int, modified: str, etag: str, expected: bool
) -> None:
    """There, and this archive or a newer one."""
    server.answer(200, headers={"ETag": '"mine"'})
    target = Target(TUNING, url=f"{server.url}/key", check_url=f"{server.url}/check")
    transfer.upload(target, archive(file), {})
    headers = {"Last-Modified": f"Sat, 21 Nov 2026 {modified} GMT"} if modified else {}
    server.answer(status, headers=headers | ({"ETag": etag} if etag else {}))
    assert transfer.is_stored(target, file) is expected
    assert server.requests[-1].method == "HEAD"


def test_no_answer_means_absent(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a warning; without a URL to ask, nothing is asked."""
    archive(file)
    target = Target(TUNING, url="http://127.0.0.1:1/key", check_url=f"http://127.0.0.1:1/key{SIGNATURE}")
    assert not transfer.is_stored(target, file)
    assert caplog.messages[-1].startswith("Failed to check primary cache existence via HEAD request")
    assert "secret" not in caplog.text
    assert not transfer.is_stored(Target(TUNING, url="http://127.0.0.1:1/key"), file)


def test_a_request_has_its_time(server: ScriptedServer, file: Path) -> None:
    """CACHE_REQUEST_TIMEOUT is for the whole of it; then it is tried again."""
    late = TUNING._replace(timeout=-1.0, retries=1)
    server.answer(200, b"archive", DATE, times=2)
    with pytest.raises(RetriableError, match="CACHE_REQUEST_TIMEOUT"):
        transfer.download(source(server)._replace(tuning=late), file)
    assert len(server.requests) == 2
    with pytest.raises(RetriableError, match="CACHE_REQUEST_TIMEOUT"):
        transfer.upload(Target(late, url=f"{server.url}/key"), _filled(file), {})


def _filled(file: Path) -> Path:
    file.write_bytes(b"x")
    return file


def test_the_environments_proxy_is_used(server: ScriptedServer, file: Path) -> None:
    """With its credentials; a name that only it knows is asked through it."""
    server.answer(200, b"archive", DATE)
    proxy = server.url.replace("http://", "http://me:secret@")
    transfer.download(
        Source(TUNING, url="http://bucket.invalid/key", environment={"HTTP_PROXY": proxy}), file
    )
    (request,) = server.requests
    assert request.target == "http://bucket.invalid/key"
    assert request.headers["Proxy-Authorization"] == "Basic bWU6c2VjcmV0"
