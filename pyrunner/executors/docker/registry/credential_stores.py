"""Credential helpers: ``docker-credential-<name>`` programs on the runner's host (docker-executor.md 4).

A job's ``DOCKER_AUTH_CONFIG`` may name them: only a plain name that is found in the runner's PATH is started.
Errors tell what a helper said only where that cannot hold a secret.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from typing import Any, Final

from pyrunner.errors import PyrunnerError
from pyrunner.executors.docker.registry.auth import RegistryAuth, member
from pyrunner.system.golang import quoted

_PREFIX: Final = "docker-credential-"
_NOT_FOUND: Final = "credentials not found in native keychain"
_TOKEN_USER: Final = "<token>"  # noqa: S105 - the user name that says "this is a token"
#: Seconds for one call; helpers may ask a cloud for a token.
_TIMEOUT: Final = 60
#: Characters of a helper's complaint that are repeated.
_LONGEST_COMPLAINT: Final = 500


class CredentialHelperError(PyrunnerError):
    """A credential helper cannot be started, fails, or answers what is none."""


class PathTraversal(PyrunnerError):
    """A store or helper is named by a path: the pull is not made at all."""

    def __init__(self) -> None:
        super().__init__("path traversal is not allowed")


def check_helper_name(name: str) -> None:
    """Let only plain names pass.

    :raises PathTraversal: for everything that could lead elsewhere.
    """
    if not name or name != os.path.basename(name) or "\0" in name:
        raise PathTraversal


class CredentialHelper:
    """One helper program; its calls take as long as they take, :meth:`stop` ends the one that runs."""

    def __init__(self, name: str, environment: Mapping[str, str], timeout: float = _TIMEOUT) -> None:
        check_helper_name(name)
        self._program = _PREFIX + name
        self._environment = dict(environment)
        self._timeout = timeout
        self._running: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def everything(self) -> dict[str, RegistryAuth]:
        """Return all that the store holds, by registry address.

        :raises CredentialHelperError: when any of it cannot be had.
        """
        status, output = self._call("list", "unused")
        if status:
            raise self._failure("listing", status, output)
        found = _decoded(output)
        return {address: self.get(address) for address in found}

    def get(self, address: str) -> RegistryAuth:
        """Return the credentials for ``address``; empty ones when the store has none.

        :raises CredentialHelperError: when the helper fails.
        """
        status, output = self._call("get", address)
        if status:
            if output.strip() == _NOT_FOUND.encode():
                return RegistryAuth()
            raise self._failure("getting", status, output)
        answer = _decoded(output)
        user, secret = member(answer, "Username", ""), member(answer, "Secret", "")
        if user == _TOKEN_USER:
            return RegistryAuth(identity_token=secret, server_address=address)
        return RegistryAuth(user, secret, server_address=address)

    def stop(self) -> None:
        """End the call that runs, from another thread, and refuse further ones."""
        self._stopped = True
        self._kill()

    def _call(self, action: str, line: str) -> tuple[int, bytes]:
        path = shutil.which(self._program, path=self._environment.get("PATH", os.defpath))
        if path is None or not os.path.isabs(path):
            raise CredentialHelperError(
                f"error {'listing' if action == 'list' else 'getting'} credentials - err: "
                f"exec: {quoted(self._program)}: executable file not found in $PATH, out: ``"
            )
        pipe = subprocess.PIPE
        try:
            self._running = subprocess.Popen(
                [path, action],
                stdin=pipe,
                stdout=pipe,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            raise CredentialHelperError(f"{self._program}: {error.strerror}") from error
        with self._running as process:
            if self._stopped:
                self._kill()
            try:
                output, _ = process.communicate(line.encode(errors="surrogateescape"), self._timeout)
            except subprocess.TimeoutExpired:
                self._kill()
                raise CredentialHelperError(
                    f"{self._program} {action}: no answer within {self._timeout:g} seconds"
                ) from None
            finally:
                self._kill()
        return process.returncode, output

    def _kill(self) -> None:
        process = self._running
        if process is not None and process.returncode is None:
            # the whole group: a child that keeps the pipe open would be waited for
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    def _failure(self, doing: str, status: int, output: bytes) -> CredentialHelperError:
        text = output.decode(errors="replace").strip()
        how = f"exit status {status}" if status > 0 else f"signal: {signal.Signals(-status).name}"
        shown = "" if "{" in text or "\n" in text else text[:_LONGEST_COMPLAINT]
        return CredentialHelperError(f"error {doing} credentials - err: {how}, out: `{shown}`")


def _decoded(output: bytes) -> dict[str, Any]:
    try:
        value = json.loads(output)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CredentialHelperError("the credential helper did not answer with a JSON object")
    return value
