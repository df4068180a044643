"""Notices that config.toml has changed; a broken file changes nothing (config-and-commands.md 1.15).

gitlab-runner looks for a *later* modification time and misses a file that was put back; here any
change of the file behind the name counts. A file that is broken, or gone, is reported once, and what
was loaded last stays in force.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyrunner.config.load import parse_config
from pyrunner.config.model import Config
from pyrunner.errors import ConfigError

#: Seconds between two looks at the file.
INTERVAL: Final = 3.0

_Signature = tuple[int, ...]


@dataclass(frozen=True)
class Reload:
    """What a look at the file has brought: a new configuration or an error, never both."""

    config: Config | None = None
    #: One line for the log; the configuration loaded last stays in force.
    error: str = ""
    #: The error is that there is no such file.
    missing: bool = False


class ConfigWatcher:
    """Step function for the loop of ``run``: :meth:`load` at the start, :meth:`poll` afterwards.

    :param environ: environment of the process, see :func:`pyrunner.config.load.load_config`.
    """

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self._environ = environ
        #: The file as it was when it was read last; None: there was none.
        self._seen: _Signature | None = None
        self._data: bytes | None = None
        #: False: read once more. A second change within the clock's grain leaves no other sign.
        self._settled = True
        self._absence_reported = False
        self._next_look = 0.0

    def load(self) -> Config:
        """Read the file for the first time.

        :raises FileNotFoundError: when there is none; :meth:`poll` takes it when it appears.
        :raises ConfigError: when it cannot be used. What only ``run`` needs is not checked, see
            :func:`pyrunner.config.checks.check_for_run`.
        """
        try:
            data = self._read()
        except FileNotFoundError:
            self._absence_reported = True
            raise
        except OSError as error:
            raise ConfigError(_unreadable(error), str(self.path)) from None
        return parse_config(data, self._environ, self.path)

    def poll(self, now: float) -> Reload | None:
        """Look at the file if it is time to; None when there is nothing new.

        :param now: seconds on a clock that does not go back.
        """
        if now < self._next_look:
            return None
        self._next_look = now + INTERVAL
        before, data = self._seen, self._data
        signature = self._stat()
        if signature == before and self._settled and (signature or self._absence_reported):
            return None
        reload = self._reload()
        if signature == before == self._seen and signature and data == self._data:
            self._settled = True
            return None
        return reload

    def reload(self) -> Reload:
        """Read the file now, changed or not (SIGHUP); without a file the last configuration stays."""
        return self._reload()

    def _reload(self) -> Reload:
        try:
            data = self._read()
        except FileNotFoundError:
            self._absence_reported = True
            return Reload(error=f"stat {self.path}: no such file or directory", missing=True)
        except OSError as error:
            self._absence_reported = self._seen is None
            return Reload(error=str(ConfigError(_unreadable(error), str(self.path))))
        try:
            return Reload(parse_config(data, self._environ, self.path, for_run=True))
        except ConfigError as error:
            return Reload(error=str(error))

    def _stat(self) -> _Signature | None:
        try:
            return _signature(os.stat(self.path))
        except OSError:
            return None

    def _read(self) -> bytes:
        self._seen, self._data = self._stat(), None
        self._settled = True
        with open(self.path, "rb") as file:
            self._seen = _signature(os.fstat(file.fileno()))
            self._data = file.read()
        self._settled = False
        self._absence_reported = False
        return self._data


def _signature(status: os.stat_result) -> _Signature:
    # The change time also tells that an unreadable file became readable.
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _unreadable(error: OSError) -> str:
    return f"cannot read the file: {error.strerror}"
