"""``cache-extractor``: fetch an archive and unpack it into the working directory (job-execution.md 7.2)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pyrunner.errors import PyrunnerError
from pyrunner.helper.archives import extract_archive
from pyrunner.helper.arguments import Flags
from pyrunner.helper.failures import CacheMissing
from pyrunner.helper.limits import read_limits
from pyrunner.helper.remote.options import add_download_flags, read_source
from pyrunner.helper.remote.transfer import download

_log = logging.getLogger(__name__)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Restore a cache.

    :raises CacheMissing: when there is none.
    :raises PyrunnerError: when it cannot be restored.
    """
    flags = Flags("cache-extractor", "download and extract cache artifacts (internal)", environment)
    flags.text("file", about="The file containing your cache artifacts")
    add_download_flags(flags)
    options = flags.read(arguments)
    source = read_source(options, environment)
    if not options.file:
        raise CacheMissing("Missing cache file")
    if source is not None:
        try:
            download(source, Path(options.file))
        except PyrunnerError as error:
            raise CacheMissing(str(error)) from error
    else:
        _log.info(
            "No URL provided, cache will not be downloaded from shared cache server. "
            "Instead a local version of cache will be extracted."
        )
    if not os.path.exists(options.file):
        raise CacheMissing("Cache file does not exist")
    _note_use(options.file)
    extract_archive(options.file, ".", read_limits(environment))


def _note_use(path: str) -> None:
    """Set the archive's time of access, which many file systems do not keep: the disk budget goes by it."""
    with suppress(OSError):
        # By descriptor: another archive may take its place at any moment, and keeps its own times.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.utime(fd, ns=(time.time_ns(), os.fstat(fd).st_mtime_ns))
        finally:
            os.close(fd)
