"""``cache-extractor``: unpack the local cache archive into the working directory (job-execution.md 7.2)."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

from pyrunner.helper.archives import extract_archive
from pyrunner.helper.arguments import Flags
from pyrunner.helper.failures import CacheMissing

_log = logging.getLogger(__name__)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Restore a cache.

    :raises CacheMissing: when there is none.
    :raises PyrunnerError: when it cannot be restored.
    """
    flags = Flags("cache-extractor", "download and extract cache artifacts (internal)", environment)
    flags.text("file", about="The file containing your cache artifacts")
    flags.text("url", about="URL of remote cache resource")
    flags.text("gocloud-url", about="Go Cloud URL of remote cache resource")
    flags.accepted(
        "retry", "retry-time", "transfer-meter-frequency", "alternate-url", "alternate-gocloud-url",
        "head-url", "alternate-head-url", "timeout", "env-file", "transfer-buffer-size", "chunk-size",
        "concurrency",
    )  # fmt: skip
    options = flags.read(arguments)
    if not options.file:
        raise CacheMissing("Missing cache file")
    if options.url or options.gocloud_url:
        _log.warning(
            "Remote caches are not available in this version. "
            "A local version of cache will be extracted instead."
        )
    else:
        _log.info(
            "No URL provided, cache will not be downloaded from shared cache server. "
            "Instead a local version of cache will be extracted."
        )
    if not os.path.exists(options.file):
        raise CacheMissing("Cache file does not exist")
    extract_archive(options.file, ".")
