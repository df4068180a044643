"""HTTP to object storage: streams of flat memory, bounded in time; no URL in any error text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError, MaxRetryError

from pyrunner.gitlab.proxies import Proxies
from pyrunner.helper.remote.failures import RetriableError, TransferError, answer_failure, clean_url

#: Seconds: to connect; without a single byte of an answer, or of its body.
_CONNECT: Final = 30.0
_SILENCE: Final = 30.0
_REDIRECTS: Final = 10
_ERROR_BODY: Final = 65536

#: An answer whose body is read by the caller.
Answer = urllib3.BaseHTTPResponse


class Readable(Protocol):
    """What a body is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


class CacheHTTP:
    """Requests to presigned URLs.

    :param timeout: seconds for one request with its body.
    :param environment: for the proxy settings.
    :param block: bytes that are read from a file at a time.
    :param connections: requests at a time.
    """

    def __init__(
        self, timeout: float, environment: Mapping[str, str], block: int, connections: int = 1
    ) -> None:
        self._timeout = timeout
        self._proxies = Proxies.of(environment)
        self._options: dict[str, Any] = {
            "timeout": urllib3.Timeout(connect=_CONNECT, read=_SILENCE),
            "retries": urllib3.Retry(total=None, connect=0, read=0, other=0, status=0, redirect=_REDIRECTS),
            "maxsize": connections,
            "blocksize": block,
        }
        self._pools: dict[str, urllib3.PoolManager] = {}

    def close(self) -> None:
        """Close all connections. Safe twice."""
        for pool in self._pools.values():
            pool.clear()

    def head(self, url: str) -> Answer:
        """Return the answer to a HEAD request.

        :raises RetriableError: when none came.
        """
        with self._answer("HEAD", url) as answer:
            answer.drain_conn()
            return answer

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Answer]:
        """Yield the answer to a GET request; read its body with :meth:`chunks`.

        :raises TransferError: when it is no success, or none came; retriable where that may help.
        """
        with self._answer("GET", url, headers=dict(headers or {})) as answer:
            if answer.status == 404:
                raise TransferError("file does not exist")
            _check(answer)
            yield answer

    def chunks(self, url: str, answer: Answer, size: int) -> Iterator[bytes]:
        """Yield the body of an answer, as it was sent, in pieces of up to ``size`` bytes.

        :raises RetriableError: when it ends early, or takes too long.
        """
        deadline = time.monotonic() + self._timeout
        with _named("GET", url):
            for piece in answer.stream(size, decode_content=False):
                _in_time(deadline)
                yield piece

    def put(self, url: str, file: Readable, size: int, headers: Mapping[str, str]) -> Answer:
        """Send ``size`` bytes of ``file``.

        :raises TransferError: when that was no success; retriable where that may help.
        """
        body = _TimedReader(file, time.monotonic() + self._timeout)
        with self._answer("PUT", url, body=body, headers={**headers, "Content-Length": str(size)}) as answer:
            _check(answer)
            return answer

    @contextmanager
    def _answer(self, method: str, url: str, **arguments: Any) -> Iterator[Answer]:
        with _named(method, url):
            answer = self._pool(url).request(
                method, url, preload_content=False, redirect=method != "PUT", **arguments
            )
        try:
            yield answer
        finally:
            if answer.closed:
                answer.release_conn()
            else:
                answer.close()  # an unread rest must not be taken for the next answer

    def _pool(self, url: str) -> urllib3.PoolManager:
        try:
            proxy = self._proxies.for_url(url) or ""
        except ValueError as error:
            raise TransferError(str(error)) from error
        if proxy not in self._pools:
            self._pools[proxy] = self._new_pool(proxy)
        return self._pools[proxy]

    def _new_pool(self, proxy: str) -> urllib3.PoolManager:
        if not proxy:
            return urllib3.PoolManager(**self._options)
        if proxy.startswith("socks"):
            try:
                from urllib3.contrib.socks import SOCKSProxyManager
            except ImportError as error:
                raise TransferError(
                    "a SOCKS proxy needs the library PySocks: run pip install pysocks"
                ) from error
            return SOCKSProxyManager(proxy, **self._options)
        place = urllib3.util.parse_url(proxy)
        headers = urllib3.make_headers(proxy_basic_auth=place.auth) if place.auth else None
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **self._options)


class _TimedReader:
    """A file that can be read until its time is over."""

    def __init__(self, file: Readable, deadline: float) -> None:
        self._file = file
        self._deadline = deadline

    def read(self, size: int = -1) -> bytes:
        _in_time(self._deadline)
        return self._file.read(size)


def _in_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise RetriableError("the request took too long (CACHE_REQUEST_TIMEOUT)")


def _check(answer: Answer) -> None:
    if answer.status // 100 != 2:
        try:
            body = answer.read(_ERROR_BODY, decode_content=False)
        except HTTPError:
            body = b""
        raise answer_failure(answer.status, answer.reason or "", body)


@contextmanager
def _named(method: str, url: str) -> Iterator[None]:
    """Turn what the library raises into an error that names method and place, and no secret."""
    try:
        yield
    except LocationParseError as error:
        raise TransferError(f'{method} "{clean_url(url)}": not a URL that can be asked') from error
    except (HTTPError, OSError) as error:
        raise RetriableError(f'{method} "{clean_url(url)}": {_reason(error)}') from error


def _reason(error: BaseException) -> str:
    """Return the innermost text: the outer ones repeat the URL with its signature."""
    if isinstance(error, MaxRetryError) and error.reason is not None:
        return _reason(error.reason)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
