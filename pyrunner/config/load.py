"""config.toml from the disk to a :class:`Config` (config-and-commands.md 1.2, 1.14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyrunner.config import checks, docker_checks, notices
from pyrunner.config.convert import Converter, WrongValueError, match_key
from pyrunner.config.convert import Path as KeyPath
from pyrunner.config.environment import expand
from pyrunner.config.model import Config, Notice, RunnerConfig, UnknownKey
from pyrunner.config.scanner import Layout, scan
from pyrunner.config.syntax import decode_text, parse_toml
from pyrunner.errors import ConfigError


def load_config(path: Path, environ: Mapping[str, str], *, for_run: bool = False) -> Config:
    """Read the file.

    :param environ: environment of the process: ``$VAR`` in url and token, ``SENTRY_DSN``.
    :param for_run: also refuse what only ``run`` cannot work with.
    :raises FileNotFoundError: when there is no such file; ``Config()`` is what to go on with.
    :raises ConfigError: when it cannot be read or used; with line and column where there are any.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"cannot read the file: {error.strerror}", str(path)) from None
    return parse_config(data, environ, path, for_run=for_run)


def parse_config(
    data: bytes, environ: Mapping[str, str], path: Path | None = None, *, for_run: bool = False
) -> Config:
    """Return the content of a config.toml; parameters and errors as :func:`load_config`."""
    name = str(path or "")
    text = decode_text(data, name)
    values = parse_toml(text, name)
    layout: Layout | None = None

    def place(at: KeyPath) -> tuple[int, int]:
        # Only files with something to say about are scanned for places.
        nonlocal layout
        layout = layout or scan(text)
        return layout.place(as_written(values, at))

    def fail(at: KeyPath, message: str) -> ConfigError:
        return ConfigError(f"{dotted(at)}: {message}", name, *place(at))

    converter = Converter()
    try:
        config = converter.struct(Config, values)
    except WrongValueError as error:
        raise fail(error.path, str(error)) from None
    for finding in checks.findings(config):
        raise fail(*finding)
    if for_run:
        checks.check_for_run(config, fail)
    config = replace(
        config,
        path=path,
        sentry_dsn=environ.get("SENTRY_DSN") if config.sentry_dsn is None else config.sentry_dsn,
        runners=[_complete(runner, config, environ) for runner in config.runners],
        unknown_keys=[UnknownKey(dotted(at), place(at)[0]) for at in converter.unknown],
    )
    told = [_told(config, at, str(fail(at, text))) for at, text in docker_checks.findings(config)]
    return replace(config, notices=[*notices.notices(config), *told])


def _told(config: Config, at: KeyPath, text: str) -> Notice:
    """Return the warning about a value of an entry that its jobs will fail with."""
    runner = config.runners[int(at[1])]
    fields = {"runner": runner.short_token, "runner_name": runner.name}
    return Notice("warning", f"{text}; jobs that need it will fail", runner, fields, run_only=True)


def _complete(runner: RunnerConfig, config: Config, environ: Mapping[str, str]) -> RunnerConfig:
    return replace(
        runner,
        url=expand(runner.url, environ),
        token=expand(runner.token, environ),
        labels={**config.labels, **runner.labels},
    )


def dotted(path: KeyPath) -> str:
    """Return a path as ``lint`` prints it: keys joined by dots, without list indices."""
    return ".".join(part for part in path if isinstance(part, str))


def as_written(values: Any, path: KeyPath) -> KeyPath:
    """Return ``path`` with each key spelled as in the file."""
    written: list[str | int] = []
    for part in path:
        if isinstance(part, str) and isinstance(values, dict):
            part = match_key(values, part) or part
            values = values.get(part)
        elif isinstance(part, int) and isinstance(values, list) and part < len(values):
            values = values[part]
        else:
            values = None
        written.append(part)
    return tuple(written)
