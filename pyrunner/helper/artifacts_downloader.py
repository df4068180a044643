"""``artifacts-downloader``: fetch a job's artifacts and unpack them (job-execution.md 8.3)."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyrunner.errors import ArchiveError, PyrunnerError, UsageError
from pyrunner.helper.archives import extract_archive
from pyrunner.helper.arguments import Flags, Options, is_on
from pyrunner.helper.artifacts import add_job_flags, add_meter_flag, connect
from pyrunner.helper.limits import read_limits
from pyrunner.helper.meter import Meter

_log = logging.getLogger(__name__)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Download artifacts into the working directory.

    :raises PyrunnerError: when they cannot be had or unpacked.
    """
    flags = Flags("artifacts-downloader", "download and extract build artifacts (internal)", environment)
    add_job_flags(flags)
    flags.switch("direct-download", env="FF_USE_DIRECT_DOWNLOAD", about="Ask object storage itself first")
    flags.text("archiver-staging-dir", env="ARCHIVER_STAGING_DIR", about="Directory to stage archives")
    add_meter_flag(flags)
    flags.accepted("retry", "retry-time")
    options = flags.read(arguments)
    _check(options)
    try:
        fd, staged = tempfile.mkstemp(prefix="artifacts", dir=options.archiver_staging_dir or None)
    except OSError as error:
        raise ArchiveError(f"open {error.filename}: {(error.strerror or '').lower()}") from error
    os.close(fd)
    try:
        _download(options, environment, Path(staged))
        extract_archive(staged, ".", read_limits(environment))
    finally:
        Path(staged).unlink(missing_ok=True)


def _check(options: Options) -> None:
    complete = True
    for missing, text in (
        (not options.url, "Missing URL (--url)"),
        (not options.token, "Missing runner credentials (--token)"),
        (options.id <= 0, "Missing build ID (--id)"),
    ):
        if missing:
            complete = False
            _log.warning(text)
    if not complete:
        raise UsageError("Incomplete arguments")


def _download(options: Options, environment: Mapping[str, str], target: Path) -> None:
    from pyrunner.gitlab.downloads import DownloadState, download_artifacts

    transport, job = connect(options, environment)
    try:
        with Meter("Downloading artifacts", 0, options.transfer_meter_frequency) as meter:
            result = download_artifacts(
                transport,
                job,
                target,
                direct=options.direct_download,
                parallel=is_on(environment, "FF_USE_PARALLEL_ARTIFACT_TRANSFER"),
                on_bytes=meter.add,
            )
    finally:
        transport.close()
    if result.state in (DownloadState.FORBIDDEN, DownloadState.UNAUTHORIZED):
        raise PyrunnerError("permission denied")
    if result.state is DownloadState.NOT_FOUND:
        raise PyrunnerError("file does not exist")
    if result.state is not DownloadState.SUCCEEDED:
        raise PyrunnerError("invalid argument")
