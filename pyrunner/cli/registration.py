"""Making the runner known to the coordinator: three kinds of tokens, three ways (config-and-commands.md 2.3).

======================================  ==================================================
``glrt-`` token                         the runner exists: verify it, this machine joins
other token given as ``--token``        an existing runner's: verify it
other token, ``--registration-token``   legacy: a new runner is made
======================================  ==================================================
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from pyrunner.cli.coordinator_calls import CoordinatorCalls, RegisterParameters, RunnerResult
from pyrunner.cli.failure import CommandFailed, CommandPanicked
from pyrunner.cli.flags import Flag, Kind
from pyrunner.cli.questions import Questions
from pyrunner.cli.values import Values
from pyrunner.config.model import ZERO_TIME, Config, RunnerConfig
from pyrunner.gitlab.credentials import CREATED_RUNNER_PREFIX

_log = logging.getLogger(__name__)

REGISTRATION_TOKEN: Final = Flag(
    ("registration-token", "r"),
    env="REGISTRATION_TOKEN",
    help="Runner's registration token (deprecated, use --token)",
)
TAG_LIST: Final = Flag(("tag-list",), env="RUNNER_TAG_LIST", help="Tag list")
RUN_UNTAGGED: Final = Flag(
    ("run-untagged",),
    Kind.BOOLEAN,
    env="REGISTER_RUN_UNTAGGED",
    help="Register to run untagged builds; defaults to 'true' when 'tag-list' is empty",
)
LOCKED: Final = Flag(
    ("locked",),
    Kind.BOOLEAN,
    env="REGISTER_LOCKED",
    default=True,
    help="Lock Runner for current project, defaults to 'true'",
)
ACCESS_LEVEL: Final = Flag(
    ("access-level",),
    env="REGISTER_ACCESS_LEVEL",
    help="Set access_level of the runner to not_protected or ref_protected; defaults to not_protected",
)
MAXIMUM_TIMEOUT: Final = Flag(
    ("maximum-timeout",),
    Kind.INTEGER,
    env="REGISTER_MAXIMUM_TIMEOUT",
    help="What is the maximum timeout (in seconds) that will be set for job when using this Runner",
)
PAUSED: Final = Flag(
    ("paused",), Kind.BOOLEAN, env="REGISTER_PAUSED", help="Set Runner to be paused, defaults to 'false'"
)
MAINTENANCE_NOTE: Final = Flag(
    ("maintenance-note",), env="REGISTER_MAINTENANCE_NOTE", help="Runner's maintenance note"
)

#: What the server keeps of a runner; only a legacy registration may set it.
_RESERVED: Final = (
    TAG_LIST, RUN_UNTAGGED, LOCKED, ACCESS_LEVEL, MAXIMUM_TIMEOUT, PAUSED, MAINTENANCE_NOTE,
)  # fmt: skip
SERVER_FLAGS: Final = (REGISTRATION_TOKEN, *_RESERVED)

_WORKFLOW: Final = "https://docs.gitlab.com/ci/runners/new_creation_workflow/"
_SYNTAX: Final = f"{_WORKFLOW}#changes-to-the-gitlab-runner-register-command-syntax"
_DEPRECATED: Final = (
    "Support for registration tokens and runner parameters in the 'register' command has been deprecated in "
    "GitLab Runner 15.6 and will be replaced with support for authentication tokens. "
    f"For more information, see {_WORKFLOW}"
)
_IGNORED: Final = (
    "You have specified an authentication token in the legacy parameter --registration-token. "
    "This has triggered the 'legacy-compatible registration process' which has resulted in the following "
    "command line parameters being ignored: --locked, --access-level, --run-untagged, --maximum-timeout, "
    f"--paused, --tag-list, and --maintenance-note. For more information, see {_SYNTAX} "
    "These parameters and the legacy-compatible registration process will be removed "
    "in a future GitLab Runner release. "
)
_REFUSED: Final = (
    "Runner configuration other than name and executor configuration is reserved (specifically --locked, "
    "--access-level, --run-untagged, --maximum-timeout, --paused, --tag-list, and --maintenance-note) and "
    "cannot be specified when registering with a runner authentication token. "
    "This configuration is specified on the GitLab server. "
    f"Please try again without specifying any of those arguments. For more information, see {_SYNTAX}"
)


class Registration:
    """One registration: the questions about the coordinator, the call, and how to take it back."""

    def __init__(self, config: Config, values: Values, questions: Questions, calls: CoordinatorCalls) -> None:
        self.questions = questions
        self._config = config
        self._values = values
        self._calls = calls
        self._made: RunnerConfig | None = None

    def register(self, runner: RunnerConfig) -> RunnerConfig:
        """Return ``runner`` as the coordinator knows it.

        :raises CommandPanicked: when the coordinator does not want it, or an answer is missing.
        :raises CommandFailed: when flags say what only the server may say.
        """
        url = self.questions.ask(
            "url", "Enter the GitLab instance URL (for example, https://gitlab.com/):", runner.url
        )
        runner = replace(runner, url=url)
        if runner.token and not _is_created(runner.token):
            return self._known(runner)
        if not runner.token:
            given = self._values.text(REGISTRATION_TOKEN.name)
            token = self.questions.ask("registration-token", "Enter the registration token:", given)
            runner = replace(runner, token=token)
        return self._created(runner) if _is_created(runner.token) else self._legacy(runner)

    def name(self, runner: RunnerConfig) -> RunnerConfig:
        """Return ``runner`` with the name it has in the file alone, where that is still to be asked."""
        if not _is_created(runner.token) or self._made is None:
            return runner
        name = self.questions.ask(
            "name",
            "Enter a name for the runner. This is stored only in the local config.toml file:",
            runner.name,
        )
        return replace(runner, name=name)

    def undo(self) -> None:
        """Take a runner that was registered here off the coordinator again; an existing one stays."""
        if self._made is not None:
            self._calls.unregister(self._made)

    def _known(self, runner: RunnerConfig) -> RunnerConfig:
        _log.info("Token specified trying to verify runner...")
        _log.warning("If you want to register use the '-r' instead of '-t'.")
        if not self._calls.verify(runner).still_exists:
            raise CommandPanicked("Failed to verify the runner. You may be having network problems.")
        return runner

    def _created(self, runner: RunnerConfig) -> RunnerConfig:
        if any(one.token == runner.token for one in self._config.runners):
            _log.warning("A runner with this system ID and token has already been registered.")
        self._check_reserved(runner.token)
        result = self._calls.verify(runner)
        if not result.succeeded or result.id == 0:
            raise CommandPanicked("Failed to verify the runner.")
        return self._remember(runner, result, runner.token)

    def _legacy(self, runner: RunnerConfig) -> RunnerConfig:
        values = self._values
        name = self.questions.ask("name", "Enter a description for the runner:", runner.name)
        tags = self.questions.ask(
            "tag-list",
            "Enter tags for the runner (comma-separated):",
            values.text(TAG_LIST.name),
            required=False,
        )
        note = self.questions.ask(
            "maintenance-note",
            "Enter optional maintenance note for the runner:",
            values.text(MAINTENANCE_NOTE.name),
            required=False,
        )
        _log.warning(_DEPRECATED)
        runner = replace(runner, name=name)
        parameters = RegisterParameters(
            description=name,
            maintenance_note=note,
            access_level=values.text(ACCESS_LEVEL.name),
            tag_list=tags,
            run_untagged=values.flag(RUN_UNTAGGED.name),
            locked=values.flag(LOCKED.name),
            paused=values.flag(PAUSED.name),
            maximum_timeout=values.number(MAXIMUM_TIMEOUT.name),
        )
        result = self._calls.register(runner, parameters)
        if not result.succeeded or not result.token:
            raise CommandPanicked("Failed to register the runner.")
        return self._remember(runner, result, result.token)

    def _remember(self, runner: RunnerConfig, result: RunnerResult, token: str) -> RunnerConfig:
        self._made = replace(
            runner,
            id=result.id,
            token=token,
            token_obtained_at=result.token_obtained_at or ZERO_TIME,
            token_expires_at=result.token_expires_at or ZERO_TIME,
        )
        return self._made

    def _check_reserved(self, token: str) -> None:
        """Refuse flags that only a legacy registration may set, or say that they have no effect."""
        changed = any(self._values[flag.name] != _default(flag) for flag in _RESERVED)
        if not changed:
            return
        # a token typed at the question does not count as given in the legacy parameter
        if self._values.text(REGISTRATION_TOKEN.name) != token:
            raise CommandFailed(_REFUSED)
        _log.warning(_IGNORED)


def _is_created(token: str) -> bool:
    return token.startswith(CREATED_RUNNER_PREFIX)


def _default(flag: Flag) -> object:
    return (
        flag.default
        if flag.default is not None
        else {Kind.BOOLEAN: False, Kind.INTEGER: 0}.get(flag.kind, "")
    )
