"""Where config.toml and certificates are when nobody says so (config-and-commands.md 1.1)."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

ROOT_FOLDER: Final = Path("/etc/gitlab-runner")
CONFIG_FILE: Final = "config.toml"
#: Names the file where ``--config`` does not; set but empty counts.
CONFIG_FILE_VARIABLE: Final = "CONFIG_FILE"


@dataclass(frozen=True)
class CertificateFiles:
    """Where the certificates for one host are looked for when the ``tls-*-file`` keys are empty."""

    ca: Path
    certificate: Path
    key: Path


def home_folder(environ: Mapping[str, str], uid: int) -> Path | None:
    """Return ``HOME``, or the passwd entry's folder where that is empty; None without either."""
    home = environ.get("HOME", "")
    if not home:
        try:
            home = pwd.getpwuid(uid).pw_dir
        except KeyError:
            home = ""
    return Path(home) if home else None


def config_folder(environ: Mapping[str, str], uid: int | None = None) -> Path:
    """Return the default folder for a user id (by default our own)."""
    uid = os.getuid() if uid is None else uid
    if uid == 0:
        return ROOT_FOLDER
    home = home_folder(environ, uid)
    return home / ".gitlab-runner" if home else Path.cwd()


def config_path(option: str | None, environ: Mapping[str, str], uid: int | None = None) -> Path:
    """Return the file to use: ``--config``, else ``CONFIG_FILE``, else the default.

    :param option: value of ``--config``, None when it was not given.
    """
    if option is not None:
        return Path(option)
    if CONFIG_FILE_VARIABLE in environ:
        return Path(environ[CONFIG_FILE_VARIABLE])
    return config_folder(environ, uid) / CONFIG_FILE


def certificate_folder(environ: Mapping[str, str], uid: int | None = None) -> Path:
    """Return the folder of certificates; it follows the user id, not ``--config``."""
    return config_folder(environ, uid) / "certs"


def certificate_files(folder: Path, url: str) -> CertificateFiles:
    """Return the files for the host of ``url`` (without its port) in ``folder``.

    Only the last part of the name comes from the URL; a host that could leave the folder has none.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if "/" in host or "\0" in host:
        host = ""
    return CertificateFiles(folder / f"{host}.crt", folder / f"{host}.auth.crt", folder / f"{host}.auth.key")
