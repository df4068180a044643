"""Calls with the standard library's client (runner-api.md 6); uploads and downloads test it, too."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator

import pytest

from pyrunner.errors import ClientBuildError, CoordinatorError, RequestCanceled
from pyrunner.gitlab.answer import Reply
from pyrunner.gitlab.call import Call
from pyrunner.gitlab.cancel import Cancellation
from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.direct import DirectTransport, suits
from tests.support.http_script import ScriptedServer

GET = Call("GET", "version")


def call(server: ScriptedServer, one: Call = GET, path: str = "") -> Reply:
    """Make a call and return its answer."""
    transport = DirectTransport(RunnerCredentials(server.url + path, "t"), sleep=lambda _seconds: None)
    with transport.stream(one) as answer:
        return answer.read()


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://gitlab.example.com/sub", {}, True),
        ("http://[::1]:8080", {"NO_PROXY": "x"}, True),
        ("https://gitlab.example.com", {"https_proxy": "http://proxy:3128"}, False),
        ("https://gitlab.example.com", {"HTTP_PROXY": "http://proxy:3128"}, False),
        ("https://user:secret@gitlab.example.com", {}, False),
        ("https://gitläb.example.com", {}, False),
        ("ftp://gitlab.example.com", {}, False),
        ("https://", {}, False),
        ("http://host:99999", {}, False),
    ],
)
def test_what_suits(url: str, environment: dict[str, str], expected: bool) -> None:
    """Proxies, users in the URL and other alphabets are left to the larger client."""
    assert suits(url, environment) is expected


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "http://host:0"])
def test_an_unusable_url_is_told_by_each_call(url: str) -> None:
    """As with the larger client."""
    transport = DirectTransport(RunnerCredentials(url, "t"))
    with pytest.raises(ClientBuildError, match="check the url"), transport.stream(GET):
        pass


@pytest.mark.parametrize(
    ("path", "target"), [("", "/api/v4/version"), ("/gitlab/ci/", "/gitlab/api/v4/version")]
)
def test_what_is_sent(server: ScriptedServer, path: str, target: str) -> None:
    """Base URL and headers of every call."""
    server.answer(200, b"body")
    reply = call(server, Call("GET", "version", {"JOB-TOKEN": "t"}), path)
    request = server.requests[0]
    assert (request.method, request.target, reply.body) == ("GET", target, b"body")
    assert request.headers["JOB-TOKEN"] == "t"
    assert request.headers["User-Agent"].startswith("gitlab-runner ")
    assert request.headers["X-Request-Id"] == reply.correlation_id
    assert request.headers["Accept-Encoding"] == "gzip"
    assert request.headers["Host"] == server.url.partition("//")[2]


def test_compressed_answers_are_read(server: ScriptedServer) -> None:
    """As announced by Accept-Encoding; what is broken is an error."""
    text = b"x" * 3_000_000
    server.answer(200, gzip.compress(text), {"Content-Encoding": "gzip"})
    assert call(server).body == text
    server.answer(200, b"no gzip at all", {"Content-Encoding": "gzip"})
    with pytest.raises(CoordinatorError, match="cannot be decompressed"):
        call(server)


def test_a_busy_coordinator_is_asked_again(server: ScriptedServer) -> None:
    """Five requests in all, then the answer as it is (6.1); not where the call says so."""
    server.answer(503, times=5)
    reply = call(server)
    assert (reply.status, reply.attempts, reply.retriable_seen) == (503, 5, True)
    server.answer(503)
    assert call(server, Call("GET", "version", retry=False)).attempts == 1


def test_redirects(server: ScriptedServer) -> None:
    """307 makes the body again, 303 turns into GET; the token goes along; elsewhere than http is refused."""
    for status in (307, 303):
        server.answer(status, headers={"Location": "/there is?a=b c"})
    server.answer(200)
    made: list[int] = []

    def body() -> Iterator[bytes]:
        made.append(1)
        yield b"part"

    call(server, Call("POST", "x", {"JOB-TOKEN": "t"}, body))
    assert [(one.method, one.target, one.body) for one in server.requests] == [
        ("POST", "/api/v4/x", b"part"),
        ("POST", "/there%20is?a=b%20c", b"part"),
        ("GET", "/there%20is?a=b%20c", b""),
    ]
    assert [one.headers["JOB-TOKEN"] for one in server.requests] == ["t"] * 3
    assert len(made) == 2
    server.answer(302, headers={"Location": "file:///etc/passwd"})
    with pytest.raises(CoordinatorError, match="not an http or https URL"):
        call(server)


def test_too_many_redirects(server: ScriptedServer) -> None:
    """Ten are followed."""
    server.answer(302, headers={"Location": "/again"}, times=11)
    with pytest.raises(CoordinatorError, match="stopped after 10 redirects"):
        call(server)


@pytest.mark.parametrize("token", ["glrt-abc\ndef", "glrt-\u2026"])
def test_a_token_that_no_header_can_hold_is_not_shown(server: ScriptedServer, token: str) -> None:
    """It stays out of the error's text."""
    with pytest.raises(CoordinatorError) as raised:
        call(server, Call("GET", "version", {"JOB-TOKEN": token}))
    assert "stray characters" in str(raised.value)
    assert "glrt-" not in str(raised.value)


def test_nobody_listening_names_the_cause() -> None:
    """And what may help."""
    transport = DirectTransport(RunnerCredentials("http://127.0.0.1:1", "t"))
    with pytest.raises(CoordinatorError, match=r"Connection refused.*check the host"), transport.stream(GET):
        pass


def test_silence_and_time_limits_end_the_call(server: ScriptedServer) -> None:
    """Both kinds of limits of 6.3."""
    release = threading.Event()
    server.answer(200, hold=release, times=2)
    with pytest.raises(CoordinatorError, match="time limit"):
        call(server, Call("GET", "a", total_timeout=0.05))
    with pytest.raises(CoordinatorError, match=r"timed out; .* does not answer"):
        call(server, Call("GET", "a", read_timeout=0.05))
    release.set()


def test_a_stop_ends_the_call(server: ScriptedServer) -> None:
    """Also while it waits for its answer."""
    release, stop = threading.Event(), Cancellation()
    server.answer(200, hold=release)
    transport = DirectTransport(RunnerCredentials(server.url, "t"))
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(RequestCanceled), transport.stream(GET, stop):
        pass
    release.set()
