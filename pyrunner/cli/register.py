"""``register``: a new ``[[runners]]`` entry, known to the coordinator (config-and-commands.md 2.3)."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.coordinator_calls import CoordinatorCalls
from pyrunner.cli.executor_choice import choose_executor
from pyrunner.cli.failure import CommandFailed, CommandPanicked
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.cli.interruptible import interruptible
from pyrunner.cli.questions import Questions
from pyrunner.cli.registration import SERVER_FLAGS, Registration
from pyrunner.cli.settings import IGNORED_FAMILIES, settings_entry, settings_flags
from pyrunner.cli.template import load_template, merged
from pyrunner.cli.values import Values
from pyrunner.config.edit import append_runner
from pyrunner.config.model import Config, RunnerConfig
from pyrunner.errors import ConfigError
from pyrunner.system.golang import quoted

_log = logging.getLogger(__name__)

_TEMPLATE: Final = Flag(
    ("template-config",), env="TEMPLATE_CONFIG_FILE", help="Path to the configuration template file"
)
_NON_INTERACTIVE: Final = Flag(
    ("non-interactive", "n"),
    Kind.BOOLEAN,
    env="REGISTER_NON_INTERACTIVE",
    help="Run registration unattended",
)
_LEAVE: Final = Flag(
    ("leave-runner",),
    Kind.BOOLEAN,
    env="REGISTER_LEAVE_RUNNER",
    help="Don't remove runner if registration fails",
)

_STANDARD_INPUT: Final = 0

_SETTINGS: Final = settings_flags()
_FLAGS: Final = (_TEMPLATE, CONFIG, _NON_INTERACTIVE, _LEAVE, *SERVER_FLAGS, *_SETTINGS)


def run(invocation: Invocation) -> int:
    """Register a runner and write its entry.

    :raises CommandFailed: when it cannot be registered; what was begun at the coordinator is undone.
    """
    session, values = invocation.session, invocation.values
    session.log_mode(with_run=True)
    for flag in invocation.ignored:
        _log.warning("%s has no effect: pyrunner does not have that feature", flag)
    if values.text("access-level") not in ("", "not_protected", "ref_protected"):
        raise CommandPanicked(
            "Given access-level is not valid. "
            f"Refer to {session.program} register -h for the correct options."
        )
    runner = runner_of(values, session.environ)
    file = ConfigFile.of(invocation)
    try:
        config = file.load()
        file.require_writable()
        calls = CoordinatorCalls(file.system_id(), session.environ)
    except ConfigError as error:
        raise CommandPanicked(str(error)) from None
    interactive = not values.flag(_NON_INTERACTIVE.name)
    questions = Questions(interruptible(_STANDARD_INPUT), sys.stderr, interactive)
    registration = Registration(config, values, questions, calls)
    runner = _registered(runner, file, registration, values.flag(_LEAVE.name))
    _log_limits(config, runner)
    _log.info(
        "Runner registered successfully. "
        "Feel free to start it, but if it's running already the config should be automatically reloaded!"
    )
    _log.info("Configuration (with the authentication token) was saved in %s", quoted(str(file.path)))
    return 0


def runner_of(values: Values, environ: Mapping[str, str]) -> RunnerConfig:
    """Return the entry that flags, environment, defaults and template describe so far.

    :raises CommandFailed: when there is a template and it cannot be used.
    """
    runner = RunnerConfig.from_dict({"name": socket.gethostname(), **settings_entry(_SETTINGS, values)})
    path = values.text(_TEMPLATE.name)
    if not path:
        return runner
    _log.info("Merging configuration from template file %s", quoted(path))
    return merged(runner, load_template(Path(path), environ))


def _registered(
    runner: RunnerConfig, file: ConfigFile, registration: Registration, leave: bool
) -> RunnerConfig:
    """Register ``runner``, ask for the rest and write the entry; undo the first when the rest fails.

    :param leave: do not undo.
    """
    try:
        runner = registration.register(runner)
        runner = registration.name(runner)
        runner = choose_executor(runner, registration.questions)
        append_runner(file.path, runner)
    except KeyboardInterrupt:
        if leave:
            raise
        registration.undo()
        raise CommandFailed("RECEIVED SIGNAL: interrupt") from None
    except (CommandPanicked, ConfigError) as error:
        if not leave:
            registration.undo()
        raise CommandPanicked(str(error)) from None
    return runner


def _log_limits(config: Config, runner: RunnerConfig) -> None:
    """Warn of limits that the global one makes useless."""
    if config.concurrent < runner.limit:
        _log.warning(
            "The specified runner job concurrency limit (%d) is larger than current global concurrency "
            "limit (%d). The global concurrent limit will not be increased and takes precedence.",
            runner.limit,
            config.concurrent,
        )
    if config.concurrent < runner.request_concurrency:
        _log.warning(
            "The specified runner request concurrency (%d) is larger than the current global concurrent "
            "limit (%d). The global concurrent limit will not be increased and takes precedence.",
            runner.request_concurrency,
            config.concurrent,
        )


COMMAND: Final = RunnerCommand(
    "register", run, _FLAGS, help="register a new runner", families=IGNORED_FAMILIES
)
