"""``reset-token``: exchange a runner's authentication token (config-and-commands.md 2.4).

The old token ends when the coordinator answers, so each new one is in the file before the next call.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.coordinator_calls import CoordinatorCalls
from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.cli.values import Values
from pyrunner.config.edit import replace_token
from pyrunner.config.model import ZERO_TIME, Config, RunnerConfig
from pyrunner.errors import ConfigError

_log = logging.getLogger(__name__)

_WHOSE: Final = "of the runner whose token you wish to reset (as defined in the configuration file)"
_NAME: Final = Flag(("name", "n"), help=f"Name {_WHOSE}")
_URL: Final = Flag(("url", "u"), help=f"URL {_WHOSE}")
_ID: Final = Flag(("id", "i"), Kind.INTEGER, help=f"ID {_WHOSE}")
_ALL: Final = Flag(("all-runners",), Kind.BOOLEAN, help="Reset all runner authentication tokens")
_PAT: Final = Flag(("pat",), help="Personal access token to use in lieu of runner's old authentication token")


def run(invocation: Invocation) -> int:
    """Reset the token of the chosen runner, or of all.

    :raises CommandFailed: when none is chosen, or the token of a single one could not be reset.
    """
    session, values = invocation.session, invocation.values
    session.log_mode(with_run=True)
    file = ConfigFile.of(invocation)
    try:
        config = file.load()
        file.require_writable()
        calls = CoordinatorCalls(file.system_id(), session.environ)
    except ConfigError as error:
        raise CommandFailed("Failed to load configuration", error=str(error)) from None
    if values.flag(_ALL.name):
        _all(config, file, calls, values.text(_PAT.name))
    else:
        runner = _chosen(config, values)
        if not _reset(runner, file, calls, values.text(_PAT.name)):
            raise CommandFailed(
                "Failed to reset runner authentication token",
                name=values.text(_NAME.name),
                id=values.number(_ID.name),
            )
    print(time.strftime("%Y/%m/%d %H:%M:%S"), "Updated", file=sys.stderr)  # noqa: T201 - as upstream
    return 0


def _all(config: Config, file: ConfigFile, calls: CoordinatorCalls, pat: str) -> None:
    _log.warning("Resetting all runner authentication tokens")
    seen: list[RunnerConfig] = []
    for runner in config.runners:
        # two entries of one runner: both got the new token already
        if any(runner.same_credentials(one) for one in seen):
            continue
        seen.append(runner)
        if not _reset(runner, file, calls, pat):
            _log.error("Failed to reset runner authentication token", extra={"fields": {"name": runner.name}})


def _reset(runner: RunnerConfig, file: ConfigFile, calls: CoordinatorCalls, pat: str) -> bool:
    result = calls.reset_token(runner, pat)
    if not result.succeeded or not result.token:
        return False
    try:
        replace_token(
            file.path,
            runner.same_credentials,
            file.environ,
            result.token,
            result.token_obtained_at or ZERO_TIME,
            result.token_expires_at or ZERO_TIME,
        )
    except ConfigError as error:
        raise CommandFailed(
            "Failed to update configuration: the old token has ended and the new one could not be stored; "
            "reset it again with --pat once the file can be written",
            error=str(error),
        ) from None
    return True


def _chosen(config: Config, values: Values) -> RunnerConfig:
    name, url, number = values.text(_NAME.name), values.text(_URL.name), values.number(_ID.name)
    for runner in config.runners:
        if runner.name == name if name else (runner.url == url and runner.id == number):
            return runner
    sought = f"name '{name}'" if name else f'URL "{url}" and ID {number}'
    raise CommandFailed("Couldn't get runner credentials", error=f"could not find a runner with the {sought}")


COMMAND: Final = RunnerCommand(
    "reset-token", run, (CONFIG, _NAME, _URL, _ID, _ALL, _PAT), help="reset a runner's token"
)
