"""Which credentials a pull is made with, and where they come from (docker-executor.md 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.errors import PyrunnerError
from pyrunner.executors.docker.images.references import image_path, registry_path
from pyrunner.executors.docker.registry.auth import RegistryAuth
from pyrunner.executors.docker.registry.credential_stores import CredentialHelper, PathTraversal
from pyrunner.executors.docker.registry.docker_config import read_docker_config
from pyrunner.protocol.job import Credentials

_VARIABLE: Final = "$DOCKER_AUTH_CONFIG"
_PAYLOAD: Final = "job payload (GitLab Registry)"
_FILES: Final = (".docker/config.json", ".dockercfg")
_REGISTRY: Final = "registry"


@dataclass(frozen=True, slots=True)
class FoundCredentials:
    """What a pull is made with; ``source`` is for the trace, empty for an anonymous pull."""

    source: str = ""
    auth: RegistryAuth | None = None
    #: For the trace, in order: sources that cannot be used.
    warnings: tuple[str, ...] = ()


class CredentialSearch:
    """Looks for the credentials of an image in all sources of a job.

    :param variable: content of ``DOCKER_AUTH_CONFIG``; empty when there is none.
    :param home: home folder of the runner process's user, or of ``--user``; None: there is none.
    :param payload: credentials that came with the job.
    :param environment: for credential helpers; its PATH is searched for them.
    """

    def __init__(
        self,
        variable: str,
        home: Path | None,
        payload: Sequence[Credentials],
        environment: Mapping[str, str],
    ) -> None:
        self._variable = variable
        self._home = home
        self._payload = payload
        self._environment = environment
        self._helper: CredentialHelper | None = None
        self._stopped = False

    def find(self, image: str) -> FoundCredentials:
        """Return the credentials whose path is the longest that leads to ``image``.

        For the same path the first source counts. May take long: helpers are started.

        :raises PathTraversal: when any source names a helper by a path.
        """
        known: dict[str, tuple[str, RegistryAuth]] = {}
        warnings: list[str] = []
        self._add(known, _VARIABLE, self._of_variable(warnings))
        self._add(known, *self._of_home())
        self._add(known, _PAYLOAD, self._of_payload())
        path = image_path(image)
        while path:
            if path in known:
                return FoundCredentials(*known[path], tuple(warnings))
            path = path.rpartition("/")[0]
        return FoundCredentials(warnings=tuple(warnings))

    def stop(self) -> None:
        """End the helper that runs, from another thread; :meth:`find` returns soon."""
        self._stopped = True
        if self._helper is not None:
            self._helper.stop()

    def _add(
        self, known: dict[str, tuple[str, RegistryAuth]], source: str, auths: Iterable[RegistryAuth]
    ) -> None:
        for one in auths:
            known.setdefault(registry_path(one.server_address), (source, one))

    def _of_variable(self, warnings: list[str]) -> list[RegistryAuth]:
        try:
            return read_docker_config(self._variable, self._make_helper)
        except PathTraversal:
            raise
        except PyrunnerError as error:
            warnings.append(
                f"Failed to resolve credentials from {_VARIABLE}: {error}. "
                "Credentials from this source will not be used."
            )
            return []

    def _of_home(self) -> tuple[str, list[RegistryAuth]]:
        """Return name and credentials of the user's file; what is wrong with it drops it without a word."""
        for name in _FILES if self._home is not None else ():
            assert self._home is not None
            path = self._home / name
            try:
                text = path.read_text(errors="replace")
            except OSError:
                continue
            try:
                return str(path), read_docker_config(text, self._make_helper)
            except PathTraversal:
                raise
            except PyrunnerError:
                return str(path), []
        return "", []

    def _of_payload(self) -> list[RegistryAuth]:
        return [
            RegistryAuth(one.username, one.password, one.url)
            for one in self._payload
            if one.type == _REGISTRY
        ]

    def _make_helper(self, name: str) -> CredentialHelper:
        self._helper = CredentialHelper(name, self._environment)
        if self._stopped:
            self._helper.stop()
        return self._helper
