"""Calls on the wire: base URL, headers, redirects, connections, stops (runner-api.md 0, 6)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pyrunner.errors import ClientBuildError, CoordinatorError, RequestCanceled
from pyrunner.gitlab.call import Call
from pyrunner.gitlab.cancel import Cancellation
from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.transport import Transport
from tests.support.http_script import ScriptedServer

GET = Call("GET", "version")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("", "/api/v4/version"),
        ("///", "/api/v4/version"),
        ("/ci", "/api/v4/version"),
        ("/ci/", "/api/v4/version"),
        ("/gitlab", "/gitlab/api/v4/version"),
        ("/gitlab/ci/ci", "/gitlab/ci/api/v4/version"),
    ],
)
def test_base_url(server: ScriptedServer, connect: Callable[..., Transport], path: str, target: str) -> None:
    """Slashes go, then one ``/ci``; a sub-path install keeps its prefix (0.1)."""
    server.answer(200)
    connect(path=path).call(GET)
    assert server.requests[0].target == target


@pytest.mark.parametrize(
    "url", ["", "gitlab.example.com", "ftp://host", "http://", "http://[::1", "http://h:99999"]
)
def test_an_unusable_url_is_told_by_each_call(url: str) -> None:
    """Only http and https can be called; building never fails, each call does, with -100 (0.4)."""
    transport = Transport(RunnerCredentials(url, "t"), environment={})
    for _ in range(2):
        with pytest.raises(ClientBuildError) as raised:
            transport.call(GET)
        assert raised.value.status == -100


def test_headers_of_every_call(server: ScriptedServer, transport: Transport) -> None:
    """User-Agent, a fresh request id and gzip go along; Accept, cookies and Python's name do not (0.2)."""
    server.answer(200, headers={"Set-Cookie": "session=1"}, times=2)
    transport.call(GET)
    transport.call(GET)
    first, second = server.requests
    assert first.headers["User-Agent"].startswith("gitlab-runner 19.4.0 (")
    assert re.fullmatch(r"[0-9a-f]{32}", first.headers["X-Request-Id"])
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    assert sorted(second.header_names) == ["accept-encoding", "host", "user-agent", "x-request-id"]
    assert first.headers["Accept-Encoding"] == "gzip"


def test_a_body_brings_its_content_type(server: ScriptedServer, transport: Transport) -> None:
    """Known bytes go with their length, a factory's go chunked."""
    server.answer(200, times=2)
    transport.call(Call("PATCH", "a", body=b"abc", content_type="text/plain"))
    transport.call(Call("POST", "b", body=lambda: iter([b"ab", b"", b"c"]), content_type="x/y"))
    plain, chunked = server.requests
    assert (plain.headers["Content-Length"], plain.headers["Content-Type"]) == ("3", "text/plain")
    assert chunked.chunked
    assert "content-length" not in chunked.header_names
    assert (plain.body, chunked.body) == (b"abc", b"abc")


def test_the_correlation_id_is_the_answers(server: ScriptedServer, transport: Transport) -> None:
    """``X-Request-Id`` of the answer counts, else the one sent (0.3)."""
    server.answer(200, headers={"X-Request-Id": "from-the-server"})
    server.answer(200)
    assert transport.call(GET).correlation_id == "from-the-server"
    assert transport.call(GET).correlation_id == server.requests[1].headers["X-Request-Id"]


def test_compressed_answers_are_read(server: ScriptedServer, transport: Transport) -> None:
    """gzip was offered, so it may come."""
    import gzip

    server.answer(200, gzip.compress(b"plain"), {"Content-Encoding": "gzip"})
    assert transport.call(GET).body == b"plain"


def test_connections_are_kept(server: ScriptedServer, transport: Transport) -> None:
    """PATCH and PUT follow each other for hours: one connection serves them."""
    server.answer(202, times=5)
    for _ in range(5):
        transport.call(Call("PATCH", "jobs/1/trace", body=b"x"))
    assert len({request.port for request in server.requests}) == 1


def test_old_connections_are_replaced(server: ScriptedServer, connect: Callable[..., Transport]) -> None:
    """After connection_max_age load balancers and rotated certificates get their chance; 0 is off (6.3)."""
    clock = [0.0]
    aging = connect(connection_max_age=900.0, monotonic=lambda: clock[0])
    server.answer(200, times=4)
    aging.call(GET)
    clock[0] = 900.0
    aging.call(GET)
    clock[0] = 900.1
    aging.call(GET)
    ports = [request.port for request in server.requests]
    assert ports[0] == ports[1] != ports[2]
    for_ever = connect(connection_max_age=0.0, monotonic=lambda: clock[0])
    server.answer(200, times=2)
    for_ever.call(GET)
    clock[0] = 1e9
    for_ever.call(GET)
    assert server.requests[-1].port == server.requests[-2].port


def test_a_dropped_connection_is_an_error_without_status(
    server: ScriptedServer, transport: Transport
) -> None:
    """No answer: status -1 and a text with the clean URL (0.4)."""
    server.answer(0, drop=True)
    with pytest.raises(CoordinatorError) as raised:
        transport.call(Call("PUT", "jobs/1?secret=1", body=b"{}"))
    assert raised.value.status == -1
    assert str(raised.value).startswith(f"couldn't execute PUT against {server.url}/api/v4/jobs/1: ")
    assert "secret" not in str(raised.value)
    assert len(raised.value.correlation_id) == 32


def test_a_cut_answer_is_an_error(server: ScriptedServer, transport: Transport) -> None:
    """An answer shorter than announced is none."""
    server.answer(200, b"0123456789", cut=4)
    with pytest.raises(CoordinatorError):
        transport.call(GET)


def test_nobody_listening_names_the_cause() -> None:
    """A refused connection says so, and what to check."""
    with ScriptedServer() as gone:
        url = gone.url
    with pytest.raises(CoordinatorError, match=r"Connection refused.*check the host and port"):
        Transport(RunnerCredentials(url, "t"), environment={}).call(GET)


@pytest.mark.parametrize("token", ["glrt-abc\ndef", "glrt-\u2026"])
def test_a_token_that_no_header_can_hold_is_not_shown(connect: Callable[..., Transport], token: str) -> None:
    """A stray character in config.toml is an error of the call, and the token stays out of its text."""
    with pytest.raises(CoordinatorError) as raised:
        connect().call(Call("GET", "version", {"RUNNER-TOKEN": token}))
    assert "stray characters" in str(raised.value)
    assert "glrt-" not in str(raised.value)


def test_credentials_in_the_url_are_used_and_not_shown(server: ScriptedServer) -> None:
    """As with Go, a user in the URL becomes basic authentication; log texts never show it."""
    url = server.url.replace("://", "://user:secret@")
    transport = Transport(RunnerCredentials(url, "t"), environment={})
    server.answer(401)
    reply = transport.call(GET)
    assert server.requests[0].headers["Authorization"] == "Basic dXNlcjpzZWNyZXQ="
    assert "secret" not in reply.url
    transport.close()


def test_netrc_is_not_read(
    server: ScriptedServer, transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests would send the user's ~/.netrc password to whoever listens on that host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.answer(200)
    transport.call(GET)
    assert "authorization" not in server.requests[0].header_names


def test_the_environments_proxy_is_used(server: ScriptedServer) -> None:
    """A host that is not loopback goes through HTTP_PROXY, with the proxy's own credentials (6.5)."""
    proxy = server.url.replace("://", "://user:secret@")
    server.answer(200)
    credentials = RunnerCredentials("http://gitlab.invalid", "t")
    transport = Transport(credentials, environment={"HTTP_PROXY": proxy})
    transport.call(GET)
    assert server.requests[0].target == "http://gitlab.invalid/api/v4/version"
    assert server.requests[0].headers["Proxy-Authorization"] == "Basic dXNlcjpzZWNyZXQ="
    transport.close()


def test_requests_environment_does_not_count(
    server: ScriptedServer, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ALL_PROXY and lower-case leftovers that Go ignores, or was not given, change nothing."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    server.answer(200)
    assert transport.call(GET).status == 200


@pytest.mark.parametrize("status", [301, 302, 303])
def test_redirects_that_turn_into_get(server: ScriptedServer, transport: Transport, status: int) -> None:
    """301 to 303 drop method and body, but keep the tokens (6.6)."""
    server.answer(status, headers={"Location": "/elsewhere"})
    server.answer(200)
    transport.call(Call("PUT", "jobs/1", {"JOB-TOKEN": "t"}, b"{}"))
    second = server.requests[1]
    assert (second.method, second.target, second.body) == ("GET", "/elsewhere", b"")
    assert second.headers["JOB-TOKEN"] == "t"
    assert "content-type" not in second.header_names


@pytest.mark.parametrize("status", [307, 308])
def test_redirects_that_keep_the_request(server: ScriptedServer, transport: Transport, status: int) -> None:
    """307 and 308 repeat method and body; a streamed one is produced again (6.6)."""
    made: list[int] = []

    def body() -> list[bytes]:
        made.append(1)
        return [b"a", b"b"]

    server.answer(status, headers={"Location": f"{server.url}/elsewhere"})
    server.answer(201)
    reply = transport.call(Call("POST", "jobs/1/artifacts", {"JOB-TOKEN": "t"}, body, "x/y"))
    second = server.requests[1]
    assert (second.method, second.target, second.body) == ("POST", "/elsewhere", b"ab")
    assert second.headers["Content-Type"] == "x/y"
    assert reply.url == f"{server.url}/elsewhere"
    assert len(made) == 2


def test_ten_redirects_are_followed(server: ScriptedServer, transport: Transport) -> None:
    """Ten are followed, the eleventh is an error; without Location it is the answer."""
    server.answer(302, headers={"Location": "/next"}, times=10)
    server.answer(200)
    assert transport.call(GET).status == 200
    server.answer(302, headers={"Location": "/next"}, times=11)
    with pytest.raises(CoordinatorError, match="10 redirects"):
        transport.call(GET)
    server.answer(302)
    assert transport.call(GET).status == 302


def test_redirects_lead_to_http_only(server: ScriptedServer, transport: Transport) -> None:
    """A server cannot send the runner to a file or another protocol."""
    server.answer(302, headers={"Location": "file:///etc/passwd"})
    with pytest.raises(CoordinatorError, match="not an http or https URL"):
        transport.call(GET)


def test_no_redirect_when_asked(server: ScriptedServer, transport: Transport) -> None:
    """The first step of a direct download wants to see the redirect itself (7.3)."""
    server.answer(302, headers={"Location": "/elsewhere"})
    assert transport.call(Call("GET", "a", follow_redirects=False)).status == 302
    assert len(server.requests) == 1


def test_a_cancellation_ends_a_held_request(server: ScriptedServer, transport: Transport) -> None:
    """A long poll that the server holds ends at once when the runner stops (4.4)."""
    stop, release = Cancellation(), threading.Event()
    server.answer(204, hold=release)
    outcome: list[BaseException] = []

    def call() -> None:
        try:
            transport.call(GET, stop)
        except CoordinatorError as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert server.arrived.wait(10)
    stop.set()
    thread.join(10)
    release.set()
    assert not thread.is_alive()
    assert isinstance(outcome[0], RequestCanceled)


def test_a_cancellation_does_not_touch_other_calls(server: ScriptedServer, transport: Transport) -> None:
    """A connection given back belongs to its next user: a late stop of the former one must not cut it."""
    stop, release = Cancellation(), threading.Event()
    server.answer(200)
    transport.call(GET, stop)
    server.arrived.clear()
    server.answer(200, hold=release)
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(transport.call(GET).status))
    thread.start()
    assert server.arrived.wait(10)
    stop.set()
    release.set()
    thread.join(10)
    assert statuses == [200]
    assert server.requests[0].port == server.requests[1].port


@pytest.mark.parametrize("kind", [Cancellation, threading.Event])
def test_no_attempt_after_a_stop(
    server: ScriptedServer, connect: Callable[..., Transport], kind: Callable[[], threading.Event]
) -> None:
    """A stop during the wait before a retry, or before the call, ends it; any event will do."""
    stop = kind()
    transport = connect(sleep=lambda _seconds: stop.set())
    server.answer(429, headers={"Retry-After": "3600"}, times=2)
    with pytest.raises(RequestCanceled):
        transport.call(GET, stop)
    with pytest.raises(RequestCanceled):
        transport.call(GET, stop)
    assert len(server.requests) == 1


def test_the_wait_itself_ends_with_the_stop(
    server: ScriptedServer, connect: Callable[..., Transport]
) -> None:
    """A ``Retry-After`` of an hour does not hold up a shutdown."""
    stop = Cancellation()
    transport = connect(sleep=None)
    server.answer(429, headers={"Retry-After": "3600"})
    outcome: list[BaseException] = []

    def call() -> None:
        try:
            transport.call(GET, stop)
        except CoordinatorError as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert server.arrived.wait(10)
    stop.set()
    thread.join(10)
    assert isinstance(outcome[0], RequestCanceled)


def test_a_time_limit_ends_the_call(server: ScriptedServer, transport: Transport) -> None:
    """``upload_timeout`` covers the attempt as a whole, however lively the connection is (6.3)."""
    release = threading.Event()
    server.answer(200, hold=release)
    with pytest.raises(CoordinatorError, match="time limit"):
        transport.call(Call("GET", "a", total_timeout=0.05))
    release.set()


def test_silence_ends_the_call(server: ScriptedServer, transport: Transport) -> None:
    """``response_header_timeout`` covers the wait for the answer."""
    release = threading.Event()
    server.answer(200, hold=release)
    with pytest.raises(CoordinatorError, match=r"timed out; .* does not answer"):
        transport.call(Call("GET", "a", read_timeout=0.05))
    release.set()


def test_threads_share_a_transport(server: ScriptedServer, transport: Transport) -> None:
    """The workers of a runner call at the same time; each gets the answer to its own request."""
    server.answer(200, times=80)
    failures: list[str] = []

    def work(number: int) -> None:
        for turn in range(10):
            reply = transport.call(Call("GET", f"{number}/{turn}"))
            if reply.url != f"{server.url}/api/v4/{number}/{turn}" or reply.status != 200:
                failures.append(reply.url)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(server.requests) == 80
