"""Is there a config.toml, can it be used, and who else can read or change it?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pyrunner.config.examine import ConfigFinding, examine
from pyrunner.config.load import parse_config
from pyrunner.config.locations import CONFIG_FILE, ROOT_FOLDER
from pyrunner.config.model import Config
from pyrunner.doctor.context import Context
from pyrunner.doctor.result import Result, failed, ok, skipped, warning
from pyrunner.errors import ConfigError

_CHECK: Final = "config"
#: More findings than these are left to ``lint-config``.
_SHOWN: Final = 5


def read_config(path: Path, environ: Mapping[str, str], uid: int) -> tuple[Config | None, list[Result]]:
    """Return the configuration, None where there is none to use, and what is to be said about it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        where = f"there is no {path}"
        return None, [failed(_CHECK, where, _missing(path, uid))]
    except OSError as error:
        who = "run this as root, or as the user of the service" if uid else "check the file and its folder"
        return None, [failed(_CHECK, f"{path} cannot be read: {error.strerror}", who)]
    findings = examine(data, environ)
    try:
        config = parse_config(data, environ, path, for_run=True)
    except ConfigError as error:
        return None, [failed(_CHECK, str(error), f"pyrunner lint-config --config {path}")]
    return config, [*_told(path, findings), *_runners(config)]


def _missing(path: Path, uid: int) -> str:
    system = ROOT_FOLDER / CONFIG_FILE
    if uid and path != system and os.path.exists(system.parent):
        return f"pyrunner register, or run this as root for {system}"
    return "pyrunner register, or name the file with --config"


def _told(path: Path, findings: Iterable[ConfigFinding]) -> Iterator[Result]:
    found = list(findings)
    for one in found[:_SHOWN]:
        place = f"{path}:{one.line}:{one.column}" if one.line else str(path)
        yield warning(_CHECK, f"{place}: {one.message}", one.hint or "correct the value")
    if len(found) > _SHOWN:
        more = f"{len(found) - _SHOWN} more findings about {path}"
        yield warning(_CHECK, more, f"pyrunner lint-config --config {path}")


def _runners(config: Config) -> Iterator[Result]:
    if not config.runners:
        yield failed(_CHECK, f"{config.path} has no [[runners]] entry, so no jobs come", "pyrunner register")
        return
    count = len(config.runners)
    entries = "1 runner" if count == 1 else f"{count} runners"
    yield ok(_CHECK, f"{config.path}: {entries}, concurrent = {config.concurrent}")


def check_executors(context: Context) -> Iterator[Result]:
    """Tell of entries whose executor does not exist here: they are not polled."""
    names = ", ".join(sorted(context.executors))
    for runner in context.config.runners:
        if runner.executor not in context.executors:
            text = f'{runner.name}: executor "{runner.executor}" cannot run jobs here; it is not polled'
            yield warning("executor", text, f"use one of {names}, or leave that runner to gitlab-runner")
    if context.runners:
        used = ", ".join(sorted({one.executor for one in context.runners}))
        yield ok("executor", f"in use: {used}")


def check_permissions(context: Context) -> Iterator[Result]:
    """Tell who else can read the tokens in the file, or change what the runner does."""
    path = context.path
    try:
        status, folder = path.stat(), path.resolve().parent.stat()
    except OSError as error:
        yield failed("permissions", f"{path}: {error.strerror}", "check the folders above it")
        return
    mode = stat.S_IMODE(status.st_mode)
    troubles = 0
    if mode & stat.S_IWOTH:
        troubles += 1
        yield failed(
            "permissions",
            f"{path} can be written by everybody (mode {mode:04o}), and with it what runs here",
            f"chmod 600 {path}",
        )
    elif mode & 0o077:
        troubles += 1
        yield warning(
            "permissions",
            f"{path} holds tokens and can be read by others (mode {mode:04o})",
            f"chmod 600 {path}",
        )
    if folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        troubles += 1
        parent = path.resolve().parent
        yield failed(
            "permissions",
            f"{parent} can be written by everybody: the file can be replaced",
            f"chmod o-w {parent}",
        )
    if not os.access(path, os.W_OK) and not os.access(path.resolve().parent, os.W_OK):
        troubles += 1
        yield warning(
            "permissions",
            f"{path} cannot be written: a new token cannot be stored when the old one expires",
            "give the service's user write access, or set FF_DISABLE_AUTOMATIC_TOKEN_ROTATION",
        )
    if not troubles:
        yield ok("permissions", f"{path} (mode {mode:04o}) is for its owner alone")


def check_certificates(context: Context) -> Iterator[Result]:
    """Tell of certificate files that are named in the configuration and cannot be used."""
    seen: set[tuple[str, str]] = set()
    good = 0
    for runner in context.config.runners:
        named = {
            "tls-ca-file": runner.tls_ca_file,
            "tls-cert-file": runner.tls_cert_file,
            "tls-key-file": runner.tls_key_file,
        }
        for key, name in named.items():
            if not name or (key, name) in seen:
                continue
            seen.add((key, name))
            found = _certificate(key, Path(name))
            good += found is None
            if found is not None:
                yield found
        if bool(runner.tls_cert_file) != bool(runner.tls_key_file):
            text = f"{runner.name}: tls-cert-file and tls-key-file work together only; one is missing"
            yield warning("certificates", text, "give both, or neither")
    if good:
        yield ok("certificates", f"{good} file(s) named in the configuration can be read")
    elif not seen:
        yield skipped("certificates", "the configuration names none")


def _certificate(key: str, path: Path) -> Result | None:
    try:
        data = path.read_bytes()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        text = f"{key} {path}: {error.strerror}; it is left out, and the connection fails"
        return failed("certificates", text, f"correct {key}, or the rights of the file")
    if b"-----BEGIN " not in data:
        return failed(
            "certificates", f"{key} {path} is not in PEM form", f"openssl x509 -inform der -in {path}"
        )
    if key == "tls-key-file" and mode & 0o077:
        text = f"{key} {path} can be read by others (mode {mode:04o})"
        return warning("certificates", text, f"chmod 600 {path}")
    return None
