"""The table of helper commands and how an error becomes a line and an exit code (job-execution.md 5.8)."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from pyrunner.errors import PyrunnerError
from pyrunner.helper.failures import CacheMissing
from pyrunner.system.logs import FATAL

_log = logging.getLogger(__name__)

#: Command → module with its ``run``, imported when it is called.
COMMANDS: Final = {
    "artifacts-downloader": "pyrunner.helper.artifacts_downloader",
    "artifacts-uploader": "pyrunner.helper.artifacts_uploader",
    "cache-archiver": "pyrunner.helper.cache_archiver",
    "cache-extractor": "pyrunner.helper.cache_extractor",
}


def run_command(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one of :data:`COMMANDS` in the working directory and return its exit code."""
    module = importlib.import_module(COMMANDS[name])
    try:
        module.run(arguments, environment)
    except CacheMissing as error:
        _log.warning("%s", error)
        return 1
    except PyrunnerError as error:
        _log.log(FATAL, "%s", error)
        return 1
    return 0
