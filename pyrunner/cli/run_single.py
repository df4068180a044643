"""``run-single``: one runner from flags or from the file, one job at a time (config-and-commands.md 2.5)."""

from __future__ import annotations

import logging
from typing import Final

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.cli.settings import IGNORED_FAMILIES, settings_entry, settings_flags
from pyrunner.config.model import DEFAULT_SHUTDOWN_TIMEOUT, RunnerConfig
from pyrunner.config.system_id import generate_system_id
from pyrunner.manager.link import known_executors
from pyrunner.manager.single import SingleOptions, run_single

_log = logging.getLogger(__name__)

_RUNNER: Final = Flag(
    ("runner", "r"), help="Runner name from the config file to use instead of command-line arguments"
)
_MAX_BUILDS: Final = Flag(
    ("max-builds",), Kind.INTEGER, help="How many builds to process before exiting; 0 for any number"
)
_WAIT: Final = Flag(
    ("wait-timeout",), Kind.INTEGER, help="How long to wait in seconds for a job before exiting; 0 for ever"
)
_SHUTDOWN: Final = Flag(
    ("shutdown-timeout",),
    Kind.INTEGER,
    help="Number of seconds after which the forceful shutdown operation will timeout and process will exit",
)
_SETTINGS: Final = settings_flags()


def run(invocation: Invocation) -> int:
    """Run the runner until it is told to stop or has done what it should; return its exit code.

    :raises CommandFailed: when the runner is not in the file, or something it needs is missing.
    """
    session, values = invocation.session, invocation.values
    for flag in invocation.ignored:
        _log.warning("%s has no effect: pyrunner does not have that feature", flag)
    if values.text(_RUNNER.name):
        file = ConfigFile.of(invocation)
        runner = _named(file, values.text(_RUNNER.name))
        system_id = file.system_id()
    else:
        runner = RunnerConfig.from_dict(settings_entry(_SETTINGS, values))
        system_id = generate_system_id()
    check(runner)
    return run_single(
        SingleOptions(
            runner=runner,
            system_id=system_id,
            max_builds=max(0, values.number(_MAX_BUILDS.name)),
            wait_timeout=float(max(0, values.number(_WAIT.name))),
            shutdown_timeout=float(max(0, values.number(_SHUTDOWN.name)) or DEFAULT_SHUTDOWN_TIMEOUT),
            environ=session.environ,
        )
    )


def check(runner: RunnerConfig) -> None:
    """Refuse a runner that cannot work.

    :raises CommandFailed: naming what is missing.
    """
    for name, value in (("URL", runner.url), ("Token", runner.token), ("Executor", runner.executor)):
        if not value:
            raise CommandFailed(f"Missing {name}")
    if runner.executor not in known_executors():
        raise CommandFailed(f"Unknown executor: {runner.executor}")


def _named(file: ConfigFile, name: str) -> RunnerConfig:
    for runner in file.load().runners:
        if runner.name == name:
            return runner
    raise CommandFailed(f"Error loading runner by name: could not find a runner with the name '{name}'")


COMMAND: Final = RunnerCommand(
    "run-single",
    run,
    (*_SETTINGS, CONFIG, _RUNNER, _MAX_BUILDS, _WAIT, _SHUTDOWN),
    help="start single runner",
    families=IGNORED_FAMILIES,
)
