"""``artifacts-uploader``: archive files and send them while the archive is made (job-execution.md 8.2)."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import Final

from pyrunner.errors import PyrunnerError, UsageError
from pyrunner.helper.archives import FORMATS, archive_pieces
from pyrunner.helper.arguments import Flags, Options
from pyrunner.helper.artifacts import add_job_flags, add_meter_flag, connect
from pyrunner.helper.collect import Collection
from pyrunner.helper.expand import expand, expand_paths
from pyrunner.helper.levels import known_level
from pyrunner.helper.meter import Meter

_log = logging.getLogger(__name__)

_ENDINGS: Final = {"zip": ".zip", "zipzstd": ".zip", "gzip": ".gz", "tarzstd": ".tar.zst", "raw": ""}


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Upload artifacts.

    :raises PyrunnerError: when they cannot be made or sent.
    """
    options = _read(arguments, environment)
    if not options.url or not options.token:
        raise UsageError("Missing runner credentials")
    if options.id <= 0:
        raise UsageError("Missing build ID")
    name = options.name
    try:
        name = expand(name, environment)
    except UsageError as error:
        _log.warning("invalid artifact name: %s", error)
    collection = Collection(expand_paths(options.exclude, environment))
    collection.collect(expand_paths(options.path, environment), options.untracked)
    if options.generate_artifacts_metadata:
        from pyrunner.helper.provenance import write_statement

        collection.add(write_statement(options, base_name(name), collection.entries()))
    if collection.empty:
        _log.error("No files to upload")
        return
    form = options.artifact_format or "zip"
    if form not in FORMATS:
        raise UsageError(f'archive format "{form}" is not known: use one of {", ".join(FORMATS)}')
    _upload(options, environment, collection, form, file_name(name, form))


def base_name(name: str) -> str:
    """Return the last element of a name, ``default`` when there is none."""
    base = posixpath.basename(name.rstrip("/"))
    return "default" if base in ("", ".") else base


def file_name(name: str, form: str) -> str:
    """Return what the archive is called: the last element of the name, with the format's ending."""
    return base_name(name) + _ENDINGS[form]


def _upload(
    options: Options, environment: Mapping[str, str], collection: Collection, form: str, name: str
) -> None:
    from pyrunner.gitlab.artifacts import ArtifactFile, TransferLimits, UploadState, upload_artifacts

    level = known_level(options.compression_level)
    entries = collection.entries()

    def content() -> Iterator[bytes]:
        with closing(archive_pieces(form, entries, level)) as pieces:
            first = next(pieces, b"")  # forks, so it comes before the meter, which is a thread
            with Meter("Uploading artifacts", 0, options.transfer_meter_frequency) as meter:
                for piece in chain((first,), pieces):
                    meter.add(len(piece))
                    yield piece

    transport, job = connect(options, environment)
    file = ArtifactFile(name, options.artifact_type, options.artifact_format, options.expire_in)
    limits = TransferLimits(options.timeout, options.response_header_timeout)
    try:
        result = upload_artifacts(
            transport, job, file, content, limits=limits, debug_trace=options.ci_debug_trace
        )
    finally:
        transport.close()
    if result.state is not UploadState.SUCCEEDED:
        raise PyrunnerError(result.reason)


def _read(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    flags = Flags("artifacts-uploader", "create and upload build artifacts (internal)", environment)
    add_job_flags(flags)
    flags.repeated("path", about="Add paths to archive")
    flags.repeated("exclude", about="Exclude paths from the archive")
    flags.switch("untracked", about="Add git untracked files")
    flags.switch("verbose", about="Detailed information")
    flags.text("name", default="artifacts", about="The name of the archive")
    flags.text("expire-in", about="When to expire artifacts")
    flags.text("artifact-format", about="Format of generated artifacts")
    flags.text("artifact-type", about="Type of generated artifacts")
    flags.text(
        "compression-level", env="ARTIFACT_COMPRESSION_LEVEL", about="fastest, fast, default, slow, slowest"
    )
    flags.duration("timeout", default="1h0m0s", about="Timeout for the upload operation")
    flags.duration("response-header-timeout", default="10m0s", about="Timeout for response headers")
    flags.switch("ci-debug-trace", env="CI_DEBUG_TRACE", about="enable debug trace logging")
    add_meter_flag(flags)
    flags.switch("generate-artifacts-metadata", about="Add a provenance statement to the archive")
    flags.text("runner-id", about="For the statement: id of the runner")
    flags.text("repo-url", about="For the statement: where the sources are from")
    flags.text("repo-digest", about="For the statement: commit")
    flags.text("job-name", about="For the statement: name of the job")
    flags.text("executor-name", about="For the statement: executor")
    flags.text("runner-name", about="For the statement: name of the runner")
    flags.text("started-at", about="For the statement: when the job began, RFC 3339")
    flags.text("ended-at", about="For the statement: when it ended, RFC 3339")
    flags.text("schema-version", about="For the statement: version of its predicate")
    flags.repeated("metadata-parameter", about="For the statement: name of a variable of the job")
    return flags.read(arguments)
