"""``unregister``: take a runner off the coordinator and out of config.toml (config-and-commands.md 2.4).

An entry leaves the file only when the coordinator has let go of it.
"""

from __future__ import annotations

import logging
from typing import Final

from pyrunner.cli.config_file import ConfigFile, same_runner
from pyrunner.cli.coordinator_calls import CoordinatorCalls
from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.cli.settings import TLS, TOKEN, URL
from pyrunner.cli.values import Values
from pyrunner.config.edit import remove_runners
from pyrunner.config.model import Config, RunnerConfig
from pyrunner.errors import ConfigError
from pyrunner.protocol.tokens import short_token

_log = logging.getLogger(__name__)

_NAME: Final = Flag(("name", "n"), help="Name of the runner you wish to unregister")
_ALL: Final = Flag(("all-runners",), Kind.BOOLEAN, help="Unregister all runners")


def run(invocation: Invocation) -> int:
    """Unregister the chosen runner, or all of them.

    :raises CommandFailed: when none is chosen, or a single one could not be unregistered.
    """
    session, values = invocation.session, invocation.values
    session.log_mode()
    file = ConfigFile.of(invocation)
    try:
        config = file.load()
        calls = CoordinatorCalls(file.system_id(), session.environ)
    except ConfigError as error:
        raise CommandFailed("failed to unregister runner", error=str(error)) from None
    done = _all(config, calls) if values.flag(_ALL.name) else [_one(config, values, calls)]
    removed = remove_runners(
        file.path, lambda runner: any(same_runner(runner, one) for one in done), session.environ
    )
    if removed:
        _log.info("Updated %s", file.path)
    return 0


def _all(config: Config, calls: CoordinatorCalls) -> list[RunnerConfig]:
    """Return the entries that could be unregistered; the others stay in the file."""
    _log.warning("Unregistering all runners")
    done: list[RunnerConfig] = []
    failed: list[str] = []
    for runner in config.runners:
        if any(same_runner(runner, one) for one in done) or calls.unregister(runner).succeeded:
            done.append(runner)
        else:
            failed.append(f'failed to unregister runner "{runner.name}"')
    if failed:
        _log.error("Failed to unregister runners", extra={"fields": {"error": "\n".join(failed)}})
    return done


def _one(config: Config, values: Values, calls: CoordinatorCalls) -> RunnerConfig:
    runner = find_runner(config, values.text("name"), values.text("token"))
    if not calls.unregister(runner).succeeded:
        raise _failure(f'failed to unregister runner "{values.text("name")}"')
    return runner


def find_runner(config: Config, name: str, token: str) -> RunnerConfig:
    """Return the first entry with this name and token; an empty one of the two does not count.

    :raises CommandFailed: when both are empty, or no entry fits.
    """
    if not (name or token):
        raise _failure("at least one of --name or --token must be specified")
    for runner in config.runners:
        if name in ("", runner.name) and token in ("", runner.token):
            return runner
    if name and token:
        sought = f"Name '{name}' and Token '{short_token(token)}'"
    else:
        sought = f"token '{short_token(token)}'" if token else f"name '{name}'"
    raise _failure(f"get runner by token or name: could not find a runner with the {sought}")


def _failure(reason: str) -> CommandFailed:
    return CommandFailed("failed to unregister runner", error=f"mutate config: unregister runner: {reason}")


COMMAND: Final = RunnerCommand(
    "unregister", run, (URL, TOKEN, *TLS, CONFIG, _NAME, _ALL), help="unregister specific runner"
)
