"""The provenance statement of artifacts: in-toto, with a SLSA predicate (job-execution.md 8.6)."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pyrunner import COMPATIBLE_VERSION, __version__
from pyrunner.errors import ArchiveError, UsageError
from pyrunner.helper.arguments import Options
from pyrunner.helper.entries import Entries
from pyrunner.helper.sources import Sources, read_blocks
from pyrunner.protocol.runner import go_architecture
from pyrunner.system.golang import quoted

_log = logging.getLogger(__name__)

#: The only version of the predicate there is.
SCHEMA_VERSION: Final = "v1"

_STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v0.1"
_PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
_BLOCK: Final = 1 << 20


def write_statement(options: Options, name: str, entries: Entries) -> str:
    """Write the statement about ``entries`` into the working directory and return its path.

    :raises PyrunnerError: when a file cannot be read, the statement not written, or a time is none.
    """
    _log.info("Generating artifacts statement")
    if options.schema_version != SCHEMA_VERSION:
        _log.warning(
            "Unknown SLSA provenance version %s, defaulting to %s", options.schema_version, SCHEMA_VERSION
        )
    path = f"{name}-metadata.json"
    content = json.dumps(_statement(options, entries), indent=1, ensure_ascii=False)
    temporary = ""
    try:
        fd, temporary = tempfile.mkstemp(prefix="statement_", dir=".")
        with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
            file.write(content)
            os.fchmod(fd, 0o644)
        # Takes the place of a link, too.
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise ArchiveError(f"open {path}: {(error.strerror or '').lower()}") from error
    return path


def _statement(options: Options, entries: Entries) -> dict[str, Any]:
    with Sources(entries.doors) as sources:
        files = (one for one, size in zip(entries.paths(), entries.sizes, strict=True) if size >= 0)
        digests = [(one, _digest(sources, one)) for one in files]
    return {
        "_type": _STATEMENT_TYPE,
        "subject": [{"name": one, "digest": {"sha256": digest}} for one, digest in digests if digest],
        "predicateType": _PREDICATE_TYPE,
        "predicate": json.loads(json.dumps(_predicate(options), sort_keys=True)),
    }


def _predicate(options: Options) -> dict[str, Any]:
    version = f"v{COMPATIBLE_VERSION}"
    parameters = dict.fromkeys(options.metadata_parameter, "")
    return {
        "buildDefinition": {
            "buildType": f"https://gitlab.com/gitlab-org/gitlab-runner/-/blob/{version}/PROVENANCE.md",
            "externalParameters": {
                **parameters,
                "entryPoint": options.job_name,
                "source": options.repo_url,
            },
            "internalParameters": {
                "architecture": go_architecture(),
                "executor": options.executor_name,
                "job": str(options.id),
                "name": options.runner_name,
            },
            "resolvedDependencies": [{"uri": options.repo_url, "digest": {"sha256": options.repo_digest}}],
        },
        "runDetails": {
            "builder": {
                "id": f"{options.repo_url}/-/runners/{options.runner_id}",
                "version": {"gitlab-runner": version, "pyrunner": __version__},
            },
            "metadata": {
                "invocationId": str(options.id),
                "startedOn": _time("started-at", options.started_at),
                "finishedOn": _time("ended-at", options.ended_at),
            },
        },
    }


def _digest(sources: Sources, path: str) -> str:
    """Return the SHA-256 of a file; empty for one that has vanished: the archive will not hold it either."""
    digest = hashlib.sha256()
    if (opened := sources.open(path)) is None:
        return ""
    fd, _ = opened
    try:
        for block in read_blocks(fd, _BLOCK, path):
            digest.update(block)
    finally:
        os.close(fd)
    return digest.hexdigest()


def _time(flag: str, text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--{flag}: {quoted(text)} is no time: use RFC 3339") from None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
