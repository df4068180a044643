"""What a config.toml of right types may still have wrong (config-and-commands.md 1.2, 1.3, 1.12)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from pyrunner.config.convert import Path
from pyrunner.config.dependency_tools import NAMES, unknown_names
from pyrunner.config.model import Config, RunnerConfig
from pyrunner.config.monitoring import monitoring_findings
from pyrunner.config.tables import MetricsAccess
from pyrunner.errors import ConfigError

MAX_LABELS: Final = 32
LOG_LEVELS: Final = ("panic", "fatal", "error", "warn", "warning", "info", "debug", "trace")
LOG_FORMATS: Final = ("runner", "text", "json")

_LABEL_KEY: Final = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{2,64}\Z")
_LABEL_VALUE: Final = re.compile(r"[a-zA-Z0-9._-]{1,256}\Z")
_BUSINESS_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")

#: The words that keys of ``[runners.tristan]`` take (tristan-layout.md 7).
TRISTAN_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "on_stop": ("detach", "wait", "abort"),
    "source_path": ("branch", "slot"),
    "workspace": ("auto", "sandbox", "container"),
}

#: Where something is wrong, in the model's keys, and what.
Finding = tuple[Path, str]


def findings(config: Config) -> Iterator[Finding]:
    """Yield all that makes the file unusable, in the order of the file's tables.

    Labels of ``config.runners`` are their own and not merged yet.
    """
    yield from _labels(config.labels, ("labels",))
    yield from _metrics(config.pyrunner.metrics)
    for index, runner in enumerate(config.runners):
        at: Path = ("runners", index)
        yield from _labels(runner.labels, (*at, "labels"))
        if len({*config.labels, *runner.labels}) > MAX_LABELS:
            yield (*at, "labels"), f"more than {MAX_LABELS} labels, global ones included"
        for option in (runner.machine or {}).get("MachineOptionsWithName", ()):
            if "%s" not in option:
                where = (*at, "machine", "MachineOptionsWithName")
                yield where, f'machine option with name "{option}" must contain %s'
        if runner.monitoring is not None:
            yield from monitoring_findings(runner.monitoring, (*at, "monitoring", "job_queuing_durations"))
        yield from _tristan(runner, (*at, "tristan"))
    yield from _business_ids(config)


def _labels(labels: dict[str, str], at: Path) -> Iterator[Finding]:
    for key, value in labels.items():
        if not _LABEL_KEY.match(key):
            yield (*at, key), f'invalid label key "{key}": it must match [a-zA-Z0-9_][a-zA-Z0-9._-]{{2,64}}'
        if not _LABEL_VALUE.match(value):
            yield (*at, key), f'invalid label value "{value}": it must match [a-zA-Z0-9._-]{{1,256}}'


def _metrics(access: MetricsAccess) -> Iterator[Finding]:
    files = {key: getattr(access, key) for key in ("certificate_file", "certificate_key_file")}
    for key, other in zip(files, reversed(files), strict=True):
        if not files[key] and files[other]:
            yield ("pyrunner", "metrics", other), f"needs {key} as well"


def _tristan(runner: RunnerConfig, at: Path) -> Iterator[Finding]:
    tristan = runner.tristan
    for key, words in TRISTAN_WORDS.items():
        value = getattr(tristan, key)
        if value not in words:
            yield (*at, key), f'"{value}" is none of {", ".join(words)}'
    for key in ("keep_branches", "keep_days"):
        if getattr(tristan, key) < 0:
            yield (*at, key), "must not be negative"
    for key in ("disk_budget", "min_free"):
        size = getattr(tristan, key)
        if size is not None and size < 0:
            yield (*at, key), "must not be negative"
    for name in unknown_names(tristan.dependency_lib):
        yield (*at, "dependency_lib"), f'"{name}" is none of {", ".join(NAMES)}'
    if tristan.root and not tristan.root.startswith("/"):
        yield (*at, "root"), "must be an absolute path"
    if tristan.business_id and not _BUSINESS_ID.match(tristan.business_id):
        yield (*at, "business_id"), "becomes a folder's name: use up to 100 of A-Z a-z 0-9 . _ -"


def _business_ids(config: Config) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, runner in enumerate(config.runners):
        # folded: the two folders would be one on a file system that folds case
        wanted = runner.tristan.business_id.casefold()
        if wanted and wanted in seen:
            where: Path = ("runners", index, "tristan", "business_id")
            yield (
                where,
                f'"{runner.tristan.business_id}" is already that of [[runners]] entry {seen[wanted] + 1}',
            )
        seen.setdefault(wanted, index)


def check_for_run(config: Config, fail: Callable[[Path, str], ConfigError] | None = None) -> None:
    """Refuse what only ``run`` cannot work with (1.14): too few slots, unknown log settings.

    :param fail: makes the error; by default one that names the file alone.
    :raises ConfigError: saying which key to change.
    """
    make = fail or (lambda at, text: ConfigError(f"{'.'.join(map(str, at))}: {text}", str(config.path or "")))
    if config.concurrent < 1:
        raise make(
            ("concurrent",), f"{config.concurrent} means that no jobs will be processed; use 1 or more"
        )
    if config.log_level is not None and config.log_level.lower() not in LOG_LEVELS:
        raise make(("log_level",), f'"{config.log_level}" is none of {", ".join(LOG_LEVELS)}')
    if config.log_format is not None and config.log_format not in LOG_FORMATS:
        raise make(("log_format",), f'"{config.log_format}" is none of {", ".join(LOG_FORMATS)}')
