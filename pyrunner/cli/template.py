"""``register --template-config``: values that the command line leaves empty (config-and-commands.md 2.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pyrunner.cli.failure import CommandFailed
from pyrunner.config.load import load_config
from pyrunner.config.model import ZERO_TIME, RunnerConfig
from pyrunner.errors import ConfigError

T = TypeVar("T")


def load_template(path: Path, environ: Mapping[str, str]) -> RunnerConfig:
    """Return the one entry of a template, without its token and without global labels.

    :raises CommandFailed: when the file cannot be used, or does not hold exactly one entry.
    """
    try:
        config = load_config(path, environ)
        runners = config.runners
    except FileNotFoundError:
        runners = []
    except ConfigError as error:
        raise _failure(f"couldn't load configuration template file: {error}") from None
    if len(runners) != 1:
        raise _failure("configuration template must contain exactly one [[runners]] entry")
    runner = runners[0]
    own = {key: value for key, value in runner.labels.items() if config.labels.get(key) != value}
    return replace(runner, token="", labels=own)


def merged(own: T, template: T) -> T:
    """Return ``own`` with the values of ``template`` where it has none of its own.

    Tables merge key by key; lists and maps do not: one that holds something stays as it is. False,
    0 and empty texts count as nothing, so that a template's ``true`` beats an explicit ``false``.
    """
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(own):  # type: ignore[arg-type]  # dataclasses, all the way down
        mine, theirs = getattr(own, field.name), getattr(template, field.name)
        if dataclasses.is_dataclass(mine) and dataclasses.is_dataclass(theirs):
            changes[field.name] = merged(mine, theirs)
        elif mine in (None, "", 0, [], {}, ZERO_TIME) or mine == _default(field):
            changes[field.name] = theirs
    return replace(own, **changes)  # type: ignore[type-var]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _failure(reason: str) -> CommandFailed:
    return CommandFailed("Could not handle configuration merging from template file", error=reason)
