"""The signing process: reads an opening and requests on stdin, writes an answer each on stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Final, TextIO

from pyrunner.build.remote.signed import Answer, Backend, Opening, Request, Signed
from pyrunner.config.cache import CacheConfig
from pyrunner.errors import RemoteCacheError
from pyrunner.protocol.decode import decode
from pyrunner.system.logs import configure_logging


def _s3(opening: Opening, environment: Mapping[str, str]) -> Backend:
    from pyrunner.build.remote.s3 import S3Backend

    return S3Backend(opening, environment)


def _gcs(opening: Opening, environment: Mapping[str, str]) -> Backend:
    from pyrunner.build.remote.gcs import GCSBackend

    return GCSBackend(opening, environment)


def _azure(opening: Opening, _environment: Mapping[str, str]) -> Backend:
    from pyrunner.build.remote.azure import AzureBackend

    return AzureBackend(opening)


#: ``Type`` → what signs for it; gitlab-runner has the names with v2, too.
_BACKENDS: Final[dict[str, Callable[[Opening, Mapping[str, str]], Backend]]] = {
    "azure": _azure,
    "gcs": _gcs,
    "gcsv2": _gcs,
    "s3": _s3,
    "s3v2": _s3,
}


def serve(lines: Iterable[str], out: TextIO, environment: Mapping[str, str]) -> None:
    """Answer each request line after the opening, until there are no more."""
    reader = iter(lines)
    opening = decode(Opening, json.loads(next(reader, "{}")))
    backend: Backend | None = None
    for line in reader:
        request = decode(Request, json.loads(line))
        try:
            backend = backend or _BACKENDS[opening.config.type](opening, environment)
            answer = Answer(_sign(backend, request))
        except RemoteCacheError as error:
            answer = Answer(error=_without_secrets(str(error), opening.config))
        out.write(json.dumps(asdict(answer)) + "\n")
        out.flush()


def _sign(backend: Backend, request: Request) -> Signed:
    if request.operation == "upload":
        return backend.upload(request.name, request.metadata)
    return backend.download(request.name, request.alternate)


def _without_secrets(text: str, config: CacheConfig) -> str:
    """Return ``text`` for a job's trace: libraries may repeat what they were given."""
    secrets: list[str] = []
    if config.s3:
        secrets += [config.s3.secret_key, config.s3.session_token, config.s3.access_key]
    if config.gcs:
        secrets.append(config.gcs.private_key)
    if config.azure:
        secrets.append(config.azure.account_key)
    for secret in filter(None, secrets):
        text = text.replace(secret, "[MASKED]")
    return " ".join(text.split())


if __name__ == "__main__":
    configure_logging()
    serve(sys.stdin, sys.stdout, os.environ)
