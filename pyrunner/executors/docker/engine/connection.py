"""The connection to a container engine (docker-executor.md 1.1 step 3, 9.1)."""

from __future__ import annotations

import os
import posixpath
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, TypeVar

import docker
import docker.errors
import docker.tls
import requests

from pyrunner.config.docker import DockerConfig
from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.words import error_words

T = TypeVar("T")

DEFAULT_HOST: Final = "unix:///var/run/docker.sock"
#: Seconds that one request may take: creating a container may wait for a busy disk.
TIMEOUT: Final = 300
_SYSTEMS: Final = ("linux",)


@dataclass(frozen=True)
class Endpoint:
    """Where the engine is, and how it is spoken to."""

    host: str
    #: Folder of ``ca.pem``, ``cert.pem``, ``key.pem``; empty: no TLS.
    certificates: str = ""
    verify: bool = False
    #: ``DOCKER_API_VERSION``; empty: negotiated.
    version: str = ""

    @classmethod
    def of(cls, config: DockerConfig, environment: Mapping[str, str]) -> Endpoint:
        """Return the endpoint: with ``host`` all comes from config, without it all from the environment."""
        version = environment.get("DOCKER_API_VERSION", "")
        if config.host:
            return cls(config.host, config.tls_cert_path, config.tls_verify, version)
        host = environment.get("DOCKER_HOST", "") or DEFAULT_HOST
        path, verify = environment.get("DOCKER_CERT_PATH", ""), environment.get("DOCKER_TLS_VERIFY", "")
        return cls(host, path, bool(verify), version)

    @property
    def local(self) -> bool:
        """The engine sees this host's files: they can be mounted into its containers."""
        return self.host.startswith("unix://")


@dataclass(frozen=True)
class _Greeting:
    """What an engine has told of itself, and how long that counts (monotonic)."""

    version: str
    info: dict[str, Any]
    until: float


#: Of this process, and of those that are forked from it: what was asked before the fork need not be again.
_KNOWN: Final[dict[Endpoint, _Greeting]] = {}
#: Seconds: an engine that was restarted may be set up otherwise.
_COUNTS_FOR: Final = 90.0


class Engine:
    """One connection, kept for the whole job; safe for one thread at a time.

    Nothing is asked before it is needed.

    :param timeout: of one request, seconds.
    :param anew: what the engine is, is asked again, whatever is known.
    """

    def __init__(self, endpoint: Endpoint, timeout: int = TIMEOUT, anew: bool = False) -> None:
        self.endpoint = endpoint
        self._timeout = timeout
        self._anew = anew

    @cached_property
    def api(self) -> docker.APIClient:
        """The client of the docker SDK.

        :raises EngineError: when the engine does not answer, or the certificates cannot be used.
        """
        return self._guarded(lambda: self._connected(self.endpoint.version or "auto"), "")

    def _connected(self, version: str) -> docker.APIClient:
        point = self.endpoint
        return _RefusesRedirects(base_url=point.host, version=version, timeout=self._timeout, tls=_tls(point))

    @cached_property
    def info(self) -> dict[str, Any]:
        """``GET /info``; what the engine has told this process before, when it is still the same engine.

        :raises EngineError: ``getting docker info: ...``, ``unsupported os type: ...``.
        """
        try:
            value: dict[str, Any] = self._guarded(self._ask, "")
        except EngineError as error:
            # The connection is made by the way: its failure is told like that of the question.
            raise EngineError(f"getting docker info: {error}", error.status) from error
        system = value.get("OSType", "")
        if system not in _SYSTEMS:
            raise EngineError(f"unsupported os type: {system}")
        return value

    def _ask(self) -> dict[str, Any]:
        """Ask what the engine is, in 1 ms if that is known: itself it takes 10 to find out.

        To know anew, negotiate the version and ask for all.
        """
        known = _KNOWN.get(self.endpoint)
        if known is None or known.until < time.monotonic() or self._anew or "api" in self.__dict__:
            value: dict[str, Any] = self.api.info()
            _KNOWN[self.endpoint] = _Greeting(self.api.api_version, value, time.monotonic() + _COUNTS_FOR)
            return value
        api = self._connected(known.version)
        # Told by the path without a version, which every engine serves.
        answer = api.get(f"{api.base_url}/_ping", timeout=self._timeout)
        answer.raise_for_status()
        if answer.headers.get("Api-Version") != known.version:
            del _KNOWN[self.endpoint]
            api.close()
            return self._ask()
        self.__dict__["api"] = api
        return known.info

    @property
    def pinned(self) -> Endpoint:
        """The endpoint with the version that was negotiated: who connects anew need not ask again."""
        return replace(self.endpoint, version=self.api.api_version)

    @property
    def has_answered(self) -> bool:
        """Tell whether the engine was ever reached: nothing is there to be removed before."""
        return "info" in self.__dict__

    def call(self, request: Callable[[docker.APIClient], T], what: str = "") -> T:
        """Return what ``request`` returns.

        :param what: put before the engine's own words, e.g. ``create container: ``.
        :raises EngineError: with the engine's words, as gitlab-runner's users know them.
        """
        return self._guarded(lambda: request(self.api), what)

    def _guarded(self, work: Callable[[], T], what: str) -> T:
        """Return what ``work`` returns, its errors in our words.

        :raises EngineError: for all that the engine, the network or the certificates did.
        """
        host = self.endpoint.host
        try:
            return work()
        except docker.errors.APIError as error:
            status = error.response.status_code if error.response is not None else 0
            text = f"{what}Error response from daemon: {error_words(error, host)}"
            raise EngineError(text, status) from error
        except (
            docker.errors.DockerException,
            requests.exceptions.RequestException,
            OSError,
            ssl.SSLError,
        ) as error:
            raise EngineError(f"{what}{error_words(error, host)}") from error

    def at_least(self, version: str) -> bool:
        """Tell whether the negotiated API is of this version or newer."""
        have, want = (tuple(int(one) for one in text.split(".")) for text in (self.api.api_version, version))
        return have >= want

    def close(self) -> None:
        """End the connection."""
        if "api" in self.__dict__:
            self.api.close()


class _RefusesRedirects(docker.APIClient):
    """An engine never redirects; whoever answers like that is not one, and gets no credentials."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs["allow_redirects"] = False
        response = super().send(request, **kwargs)
        if response.is_redirect:
            raise requests.exceptions.ConnectionError("redirects disallowed")
        return response


def _tls(point: Endpoint) -> docker.tls.TLSConfig | bool:
    if not point.certificates or point.local:
        return False
    ca, certificate, key = (
        posixpath.join(point.certificates, name) for name in ("ca.pem", "cert.pem", "key.pem")
    )
    pair = (certificate, key) if os.path.exists(certificate) or os.path.exists(key) else None
    return docker.tls.TLSConfig(client_cert=pair, ca_cert=ca if point.verify else None, verify=point.verify)
