"""``list``: the runners that config.toml names, with their full tokens (config-and-commands.md 2.4)."""

from __future__ import annotations

import logging
from typing import Final

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.flags import CONFIG
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.errors import ConfigError

_log = logging.getLogger(__name__)


def run(invocation: Invocation) -> int:
    """Log a line for each runner; a file that cannot be used is a warning, not a failure."""
    file = ConfigFile.of(invocation)
    try:
        config = file.load()
        file.system_id()
    except ConfigError as error:
        _log.warning("%s", error)
        return 0
    _log.info("Listing configured runners", extra={"fields": {"ConfigFile": str(file.path)}})
    for runner in config.runners:
        fields = {"Executor": runner.executor, "Token": runner.token, "URL": runner.url}
        _log.info("%s", runner.name, extra={"fields": fields})
    return 0


COMMAND: Final = RunnerCommand("list", run, (CONFIG,), help="List all configured runners")
