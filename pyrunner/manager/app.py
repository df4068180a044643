"""``run``: starts the manager, and brings it to its end (config-and-commands.md 2.2, 3)."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyrunner import COMPATIBLE_VERSION
from pyrunner.config.checks import check_for_run
from pyrunner.config.model import Config
from pyrunner.config.system_id import load_system_id
from pyrunner.config.watch import ConfigWatcher
from pyrunner.errors import ConfigError, ListenAddressError, PyrunnerError
from pyrunner.manager.intake import HostSettings
from pyrunner.manager.manager import Manager
from pyrunner.manager.single import SingleOptions, run_single
from pyrunner.metrics.listen import parse_listen_address
from pyrunner.protocol.runner import REVISION, go_architecture, go_platform
from pyrunner.system.logs import DEFAULT_FORMAT, DEFAULT_LEVEL, FATAL, configure_logging, current_settings
from pyrunner.system.process import protect_from_oom

if TYPE_CHECKING:
    from pyrunner.manager.sessions.server import SessionServer
    from pyrunner.metrics.endpoint import Endpoint

__all__ = ["ManagerOptions", "SingleOptions", "run_manager", "run_single"]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class ManagerOptions:
    """The command line and environment of ``run``."""

    config_path: Path
    working_directory: Path = Path()
    user: str = ""
    listen_address: str = ""
    #: Given on the command line or in the environment: the file's value does not count.
    log_level_fixed: bool = False
    log_format_fixed: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


class LogSettings:
    """Level and format of the process log, as far as the configuration decides them."""

    def __init__(self, options: ManagerOptions) -> None:
        self._options = options

    def apply(self, config: Config) -> None:
        """Take over what the file says; what it leaves out goes back to the default.

        :raises PyrunnerError: for words that mean nothing; the former settings then stay.
        """
        options = self._options
        if options.log_level_fixed and options.log_format_fixed:
            return
        log_format, level = current_settings()
        configure_logging(
            log_format if options.log_format_fixed else (config.log_format or DEFAULT_FORMAT),
            level if options.log_level_fixed else (config.log_level or DEFAULT_LEVEL),
        )


def run_manager(options: ManagerOptions) -> int:
    """Run until told to stop; return the exit code: 0 after an orderly end, else 1."""
    try:
        return _run(options)
    except PyrunnerError as error:
        _log.log(FATAL, "Service run failed", extra={"fields": {"error": str(error)}})
        return 1


def _run(options: ManagerOptions) -> int:
    fields = {
        "arch": go_architecture(),
        "os": go_platform(),
        "pid": os.getpid(),
        "revision": REVISION,
        "version": COMPATIBLE_VERSION,
    }
    _log.info("Runtime platform", extra={"fields": fields})
    try:
        os.chdir(options.working_directory)
    except OSError as error:
        raise PyrunnerError(f"cannot work in {options.working_directory}: {error.strerror}") from None
    _log.info("Starting multi-runner from %s...", options.config_path, extra={"fields": _counts()})
    protect_from_oom()
    watcher = ConfigWatcher(options.config_path, options.environ)
    logs = LogSettings(options)
    config, found = _first_config(watcher, options.config_path)
    logs.apply(config)
    system_id = _system_id(options.config_path)
    _log.info("Usage logger disabled", extra={"fields": _counts()})
    _log.info("Configuration loaded", extra={"fields": _counts()})
    manager = Manager(
        config=config,
        environ=options.environ,
        host=HostSettings(system_id, options.user, os.getcwd()),
        watcher=watcher,
        apply_logging=logs.apply,
        endpoint=_endpoint(options.listen_address or config.listen_address, config, system_id),
        sessions=_sessions(config, options),
    )
    manager.reloading.count_first(found)
    _log.info("Initializing executor providers", extra={"fields": _counts()})
    return manager.run()


def _endpoint(text: str, config: Config, system_id: str) -> Endpoint | None:
    """Return the metrics server that is configured, listening already; None when there is none.

    :raises PyrunnerError: when it cannot listen, or a file of its settings cannot be used.
    """
    try:
        address = parse_listen_address(text)
    except ListenAddressError as error:
        _log.error("invalid listen address: %s", error)
        return None
    if address is None:
        _log.info(
            "listen_address not defined, metrics & debug endpoints disabled", extra={"fields": _counts()}
        )
        return None
    # Only who wants metrics pays for the libraries that make them.
    from pyrunner.metrics.endpoint import Endpoint

    try:
        endpoint = Endpoint(address, config.pyrunner.metrics, system_id)
    except ListenAddressError as error:
        fields = {"error": str(error)}
        _log.log(FATAL, "Failed to create listener for metrics server", extra={"fields": fields})
        raise
    _log.info("Metrics server listening", extra={"fields": {"address": str(address), **_counts()}})
    return endpoint


def _sessions(config: Config, options: ManagerOptions) -> SessionServer | None:
    """Return the session server that is configured, listening already; None when there is none.

    :raises PyrunnerError: when its addresses cannot be used.
    """
    settings = config.session_server
    if not settings.listen_address:
        _log.info(
            "[session_server].listen_address not defined, session endpoints disabled",
            extra={"fields": _counts()},
        )
        return None
    # Only who wants terminals pays for the libraries that they need.
    from pyrunner.manager.sessions.server import SessionServer

    try:
        server = SessionServer.open(settings, options.config_path.resolve().parent, options.environ)
    except PyrunnerError as error:
        _log.log(FATAL, "Failed to create session server", extra={"fields": {"error": str(error)}})
        raise
    fields = {"address": settings.listen_address, **_counts()}
    _log.info("Session server listening", extra={"fields": fields})
    return server


def _first_config(watcher: ConfigWatcher, path: Path) -> tuple[Config, bool]:
    """Return what the file holds, and whether there is one."""
    try:
        config = watcher.load()
    except FileNotFoundError:
        _log.error("Failed to load config stat %s: no such file or directory", path)
        return Config(path=path), False
    if config.concurrent < 1:
        raise ConfigError(
            f"'concurrent = {config.concurrent}' means that no jobs will be processed; set it to 1 or more",
            str(path),
        )
    check_for_run(config)
    return config, True


def _system_id(path: Path) -> str:
    found = load_system_id(path)
    if found.warning:
        fields = {"state_file": str(path.parent / ".runner_system_id"), "system_id": found.value}
        _log.warning("%s", found.warning, extra={"fields": fields})
    elif found.created:
        _log.info("Created missing unique system ID", extra={"fields": {"system_id": found.value}})
    return found.value


def _counts() -> dict[str, int]:
    return {"builds": 0, "max_builds": 0}
