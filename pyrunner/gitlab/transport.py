"""Calls to one coordinator: connections kept alive, retries, redirects, TLS, proxies (runner-api.md 0, 6)."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from requests import PreparedRequest, Response
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from pyrunner.errors import ClientBuildError, RequestCanceled
from pyrunner.gitlab.answer import Reply, clean_url
from pyrunner.gitlab.call import BodyFactory, Call, Observer, new_correlation_id
from pyrunner.gitlab.cancel import Stop
from pyrunner.gitlab.connection import CONNECT_TIMEOUT, current
from pyrunner.gitlab.credentials import RunnerCredentials
from pyrunner.gitlab.exchange import Exchange
from pyrunner.gitlab.failures import translated
from pyrunner.gitlab.proxies import Proxies
from pyrunner.gitlab.redirects import Hop, next_hop
from pyrunner.gitlab.retries import Waits, log_wait, with_retries
from pyrunner.gitlab.sessions import Sessions
from pyrunner.gitlab.streams import Answer
from pyrunner.gitlab.trust import TlsData, TlsFiles, chain_as_pem
from pyrunner.protocol.runner import user_agent

#: Seconds after which idle connections are replaced, unless configured (6.3).
CONNECTION_MAX_AGE: Final = 900.0

_ERROR_BODY_LIMIT: Final = 1024 * 1024
_MOST_REDIRECTS: Final = 10


class Transport:
    """The way to one coordinator for one token; shared by all threads that serve that runner.

    Nothing is opened before the first call, and a URL that cannot be used is reported by each call,
    so that every caller has one place where things go wrong.

    :param certificate_directory: where ``<host>.crt`` and the like are looked up, once.
    :param connection_max_age: seconds; 0 keeps idle connections for ever.
    :param environment: where the proxy settings are read, once.
    :param observer: told about requests, for metrics.
    :param sleep: replaces the waits between attempts (seconds); they normally end with the stop.
    """

    def __init__(
        self,
        credentials: RunnerCredentials,
        *,
        certificate_directory: Path | None = None,
        connection_max_age: float = CONNECTION_MAX_AGE,
        environment: Mapping[str, str] = os.environ,
        observer: Observer | None = None,
        sleep: Callable[[float], None] | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.credentials = credentials
        self.observer = observer
        self._base = _base_url(credentials.url)
        files = TlsFiles(credentials.tls_ca_file, credentials.tls_cert_file, credentials.tls_key_file)
        self.files = files.completed(certificate_directory, _host(self._base))
        self._sessions = Sessions(self.files, connection_max_age, monotonic)
        self._proxies = Proxies.of(environment)
        self._agent = user_agent()
        self._sleep = sleep
        self._uniform = uniform
        self._now = now
        self._lock = threading.Lock()
        self._last_update = ""

    @property
    def last_update(self) -> str:
        """The last ``X-GitLab-Last-Update`` seen; empty before the first (4.5)."""
        with self._lock:
            return self._last_update

    def remember_last_update(self, value: str | None) -> None:
        """Store the header's value; an empty or missing one never clears what is known."""
        if value:
            with self._lock:
                self._last_update = value

    def call(self, call: Call, stop: Stop | None = None) -> Reply:
        """Make a call and read its answer whole, whatever its status.

        :raises ClientBuildError: when the URL cannot be used.
        :raises RequestCanceled: when ``stop`` came first.
        :raises CoordinatorError: status -1, when no answer came.
        """
        with self.stream(call, stop, hold=False) as answer:
            return answer.read()

    @contextlib.contextmanager
    def stream(self, call: Call, stop: Stop | None = None, hold: bool = True) -> Iterator[Answer]:
        """Make a call and yield its answer with the body still to be read.

        :param hold: let ``stop`` also end the reading of the body.
        :raises CoordinatorError: as :meth:`call`, also while the body is read.
        """
        if not self._base:
            raise ClientBuildError(
                f"only http or https scheme supported: check the url {clean_url(self.credentials.url)!r}"
            )
        correlation_id = call.correlation_id or new_correlation_id()
        hop = Hop(
            call.method, call.url or self._base + call.path, self._headers(call, correlation_id), call.body
        )
        exchange = Exchange(stop, call.read_timeout, call.total_timeout, hold)
        with (
            contextlib.closing(exchange),
            current(exchange),
            translated(call.method, hop.url, exchange, correlation_id, (RequestException, HTTPError)),
        ):
            response, attempts, retriable = self._attempts(hop, call, exchange)
            try:
                yield Answer(
                    response=response,
                    method=hop.method,
                    correlation_id=response.headers.get("X-Request-Id") or correlation_id,
                    chain=exchange.chain,
                    attempts=attempts,
                    retriable_seen=retriable,
                )
            finally:
                response.close()

    def tls_data(self, reply: Reply) -> TlsData:
        """Return the TLS material for a job that came with ``reply`` (6.4)."""
        if urlsplit(self._base).scheme != "https":
            return TlsData()
        cert, key = self.files.client_certificate()
        return TlsData(self._sessions.ca_data() or chain_as_pem(reply.chain), cert, key)

    def close(self) -> None:
        """Close the idle connections; calls that are under way finish first. Safe twice."""
        self._sessions.close()

    def _headers(self, call: Call, correlation_id: str) -> dict[str, str]:
        headers = {"User-Agent": self._agent, "X-Request-Id": correlation_id, "Accept-Encoding": "gzip"}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        return {**headers, **call.headers}

    def _attempts(self, hop: Hop, call: Call, exchange: Exchange) -> tuple[Response, int, bool]:
        made = 0

        def attempt() -> Response:
            nonlocal made
            _go_on(exchange)
            made += 1
            exchange.begin_attempt()
            return self._follow(hop, call)

        def give_back(response: Response, wait: float) -> None:
            _discard(response)
            log_wait(response.request.method or "", response.request.url or "", wait)

        def sleep(seconds: float) -> None:
            if self._sleep is not None:
                self._sleep(seconds)
            elif exchange.stop is not None:
                exchange.stop.wait(seconds)
            else:
                time.sleep(seconds)
            _go_on(exchange)

        try:
            if not call.retry:
                return attempt(), 1, False
            return with_retries(
                attempt,
                status_of=lambda response: response.status_code,
                headers_of=lambda response: response.headers,
                give_back=give_back,
                sleep=sleep,
                waits=Waits(self._now, self._uniform),
            )
        finally:
            if self.observer is not None and call.retry:
                self.observer.attempts_made(urlsplit(hop.url).path, hop.method, made)

    def _follow(self, hop: Hop, call: Call) -> Response:
        """Make one request and follow its redirects, at most ten (6.6)."""
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._send(hop, call)
            try:
                following = (
                    next_hop(hop, response.status_code, response.headers) if call.follow_redirects else None
                )
            except ValueError:
                response.close()
                raise
            if following is None:
                return response
            _discard(response)
            hop = following
        raise ValueError(f"stopped after {_MOST_REDIRECTS} redirects")

    def _send(self, hop: Hop, call: Call) -> Response:
        request = PreparedRequest()
        # an iterator, whatever the factory returned: requests takes a list for form fields
        body = iter(hop.body()) if callable(hop.body) else hop.body
        try:
            request.prepare(method=hop.method, url=hop.url, headers=hop.headers, data=body)
            proxy = self._proxies.for_url(hop.url)
            with self._sessions.lease() as session:
                return session.send(
                    request,
                    stream=True,
                    allow_redirects=False,
                    timeout=(CONNECT_TIMEOUT, call.read_timeout),
                    proxies={"all": proxy} if proxy else {},
                )
        finally:
            if (close := getattr(body, "close", None)) is not None:
                close()  # an archive that nobody reads any more stops being made


def _go_on(exchange: Exchange) -> None:
    if exchange.stop is not None and exchange.stop.is_set():
        raise RequestCanceled("the call was given up: this process is stopping")


def _discard(response: Response) -> None:
    """Read what little an unwanted answer holds, so that its connection can be used again."""
    with contextlib.suppress(Exception):
        response.raw.read(_ERROR_BODY_LIMIT, decode_content=False)
    response.close()


def _base_url(url: str) -> str:
    """Return the API's base for a configured URL, empty when it cannot be one (0.1)."""
    base = url.rstrip("/").removesuffix("/ci") + "/api/v4/"
    try:
        parts = urlsplit(base)
        usable = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return ""
    return base if usable else ""


def _host(base: str) -> str:
    return urlsplit(base).hostname or "" if base else ""


__all__ = ["CONNECTION_MAX_AGE", "BodyFactory", "Call", "Observer", "Transport"]
