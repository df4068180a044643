"""The signing process, as its owner sees it.

The providers' libraries take 40 MiB and 0.2 s to load and may have to ask the network for credentials.
A supervisor lives as long as its job and must not stop beating: it has the signing done by a process
that loads them, answers, and ends with the stage's script being written (ADR 9).
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import pyrunner
from pyrunner.build.remote.signed import Answer, Opening, Request, Signed
from pyrunner.errors import PayloadError, RemoteCacheError
from pyrunner.protocol.decode import decode

#: Seconds that all signing for one stage may take: half of what makes a silent supervisor a hung one.
PATIENCE: Final = 30.0
_CHUNK: Final = 65536


class SigningProcess:
    """Signs operations for one cache; started by the first one, ended with this object.

    :param environment: of the process: the providers' own variables count (``AWS_PROFILE`` ...).
    :param patience: seconds for all that is asked.
    """

    def __init__(self, opening: Opening, environment: Mapping[str, str], patience: float = PATIENCE) -> None:
        self._opening = opening
        self._environment = environment
        self._patience = patience
        self._left = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""
        self._failure = ""

    def ask(self, request: Request) -> Signed:
        """Have one operation signed.

        :raises RemoteCacheError: when it cannot be.
        """
        if self._failure:
            raise RemoteCacheError(self._failure)
        try:
            answer = self._exchange(request)
        except RemoteCacheError as error:
            self._failure = str(error)  # a process that hangs or dies is not tried for each key
            self.close()
            raise
        if answer.error:
            raise RemoteCacheError(answer.error)
        return answer.signed

    def close(self) -> None:
        """End the process. Safe twice."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _exchange(self, request: Request) -> Answer:
        process = self._started()
        deadline = time.monotonic() + self._left
        line = self._ask(process, _line(asdict(request)), deadline)
        self._left = deadline - time.monotonic()
        try:
            return decode(Answer, json.loads(line))
        except (ValueError, PayloadError):
            raise RemoteCacheError("the process that signs for the remote cache gave no answer") from None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            # Its package is ours even where it is not installed; its folder is no place for libraries.
            root = str(Path(pyrunner.__file__).resolve().parent.parent)
            path = os.pathsep.join(filter(None, (self._environment.get("PYTHONPATH"), root)))
            try:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "pyrunner.build.remote"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    cwd="/",
                    env={**self._environment, "PYTHONPATH": path},
                    bufsize=0,
                )
            except OSError as error:
                raise RemoteCacheError(f"cannot sign for the remote cache: {error.strerror}") from error
            self._process = process
            weakref.finalize(self, _end, process)
            _send(process, _line(asdict(self._opening)))
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], line: bytes, deadline: float) -> bytes:
        _send(process, line)
        assert process.stdout is not None
        poll = select.poll()
        poll.register(process.stdout, select.POLLIN)
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise RemoteCacheError(
                    f"signing for the remote cache took more than {self._patience:g} s: "
                    "check that the provider's credential and token services can be reached"
                )
            piece = os.read(process.stdout.fileno(), _CHUNK)
            if not piece:
                raise RemoteCacheError("the process that signs for the remote cache ended without an answer")
            self._received += piece
        answer, _, self._received = self._received.partition(b"\n")
        return answer


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _send(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    try:
        view = memoryview(line)
        while view:
            view = view[os.write(process.stdin.fileno(), view) :]
    except OSError as error:
        raise RemoteCacheError(
            "the process that signs for the remote cache ended without an answer"
        ) from error


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.kill()
    process.wait()
