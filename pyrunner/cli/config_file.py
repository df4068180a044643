"""The config.toml a command works on: where it is, what is in it, who this machine is (1.1, 1.14, 1.16)."""

from __future__ import annotations

import logging
import os
from collections.abc import MutableMapping
from pathlib import Path

from pyrunner.cli.flags import CONFIG
from pyrunner.cli.group import Invocation
from pyrunner.config.load import load_config
from pyrunner.config.locations import config_path
from pyrunner.config.model import Config, RunnerConfig
from pyrunner.config.system_id import load_system_id
from pyrunner.errors import ConfigError, UsageError

_log = logging.getLogger(__name__)


class ConfigFile:
    """The file that ``--config``, ``CONFIG_FILE`` or the default names."""

    def __init__(self, path: Path, environ: MutableMapping[str, str]) -> None:
        self.path = path
        self.environ = environ

    @classmethod
    def of(cls, invocation: Invocation) -> ConfigFile:
        """Return the file of a command that has the flag :data:`.CONFIG`.

        :raises UsageError: when it is given as an empty text.
        """
        environ = invocation.session.environ
        values = invocation.values
        given = values.text(CONFIG.name) if values.is_set(CONFIG.name) else None
        if given == "":
            raise UsageError(
                "the path of the configuration file is empty; give --config a path, or unset CONFIG_FILE"
            )
        return cls(config_path(given, environ), environ)

    def load(self) -> Config:
        """Return what the file holds, the defaults where there is none; log what its owner should know.

        :raises ConfigError: when it cannot be read or used.
        """
        try:
            config = load_config(self.path, self.environ)
        except FileNotFoundError:
            config = Config(path=self.path)
        for notice in config.notices:
            if not notice.run_only:
                level = logging.getLevelNamesMapping()[notice.level.upper()]
                _log.log(level, "%s", notice.text, extra={"fields": notice.fields})
        return config

    def system_id(self) -> str:
        """Return this machine's id, made and stored where there is none.

        :raises ConfigError: when the stored one cannot be read.
        """
        system_id = load_system_id(self.path)
        if system_id.warning:
            fields = {"state_file": str(self.path.parent), "system_id": system_id.value}
            _log.warning("%s", system_id.warning, extra={"fields": fields})
        if system_id.created:
            _log.info("Created missing unique system ID", extra={"fields": {"system_id": system_id.value}})
        return system_id.value

    def require_writable(self) -> None:
        """Refuse a file that cannot be changed before the coordinator is asked for what would go there.

        :raises ConfigError: when neither the file nor a new one in its folder can be written.
        """
        if self.path.exists():
            if os.access(self.path, os.W_OK) or os.access(self.path.resolve().parent, os.W_OK):
                return
        else:
            folder = next((one for one in self.path.absolute().parents if one.exists()), Path("/"))
            if os.access(folder, os.W_OK):
                return
        raise ConfigError(
            "the file cannot be written; run this as a user who may, or name another file with --config",
            str(self.path),
        )


def credentials_key(runner: RunnerConfig) -> tuple[object, ...]:
    """Return what makes two entries one runner: all that it shows the coordinator (2.4)."""
    files = (runner.tls_ca_file, runner.tls_cert_file, runner.tls_key_file)
    return (runner.url, runner.id, runner.token, *files)


def same_runner(runner: RunnerConfig, other: RunnerConfig) -> bool:
    """Tell whether two entries hold exactly the same credentials."""
    return credentials_key(runner) == credentials_key(other)
