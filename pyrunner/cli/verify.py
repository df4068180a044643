"""``verify``: ask the coordinator whether the runners of config.toml exist (config-and-commands.md 2.4)."""

from __future__ import annotations

import logging
from typing import Final

from pyrunner.cli.config_file import ConfigFile, same_runner
from pyrunner.cli.coordinator_calls import CoordinatorCalls
from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.cli.values import Values
from pyrunner.config.edit import remove_runners
from pyrunner.config.model import RunnerConfig

_log = logging.getLogger(__name__)

_NAME: Final = Flag(("name", "n"), help="Name of the runner you wish to verify")
# neither reads the environment: a stray CI_SERVER_URL or CI_SERVER_TOKEN must not choose runners
_URL: Final = Flag(("url", "u"), help="GitLab instance URL")
_TOKEN: Final = Flag(("token", "t"), help="Runner token")
_DELETE: Final = Flag(("delete",), Kind.BOOLEAN, help="Delete no longer existing runners?")


def run(invocation: Invocation) -> int:
    """Verify the chosen runners.

    :raises CommandFailed: when none is chosen, or one is gone and stays in the file.
    """
    session, values = invocation.session, invocation.values
    session.log_mode(with_run=True)
    file = ConfigFile.of(invocation)
    config = file.load()
    calls = CoordinatorCalls(file.system_id(), session.environ)
    chosen = [runner for runner in config.runners if selects(values, runner)]
    if not chosen and any(values.text(name) for name in ("name", "url", "token")):
        raise CommandFailed("mutate config: no runner matches the filtering parameters")
    gone = [runner for runner in chosen if not calls.verify(runner).still_exists]
    if not gone:
        return 0
    if not values.flag(_DELETE.name):
        raise CommandFailed("Failed to verify runners")
    remove_runners(
        file.path,
        lambda runner: any(same_runner(runner, one) and runner.name == one.name for one in gone),
        session.environ,
    )
    _log.info("Updated %s", file.path)
    return 0


def selects(values: Values, runner: RunnerConfig) -> bool:
    """Tell whether the flags choose ``runner``; without flags every runner is chosen."""
    name, url, token = (values.text(flag.name) for flag in (_NAME, _URL, _TOKEN))
    if not (name or url or token):
        return True
    by_token = bool(token) and runner.token == token and url in ("", runner.url)
    return by_token or (bool(name) and runner.name == name)


COMMAND: Final = RunnerCommand(
    "verify", run, (CONFIG, _NAME, _URL, _TOKEN, _DELETE), help="verify all registered runners"
)
