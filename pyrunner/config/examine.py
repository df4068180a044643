"""Everything that is wrong with a config.toml at once, each with its place and what to do about it.

Loading stops at the first value of a wrong type, as gitlab-runner does (config-and-commands.md 1.2);
whoever writes the file wants to know of all of them (``lint-config``).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pyrunner.config import checks, docker_checks, notices
from pyrunner.config.convert import Converter, WrongValueError
from pyrunner.config.convert import Path as KeyPath
from pyrunner.config.environment import expand
from pyrunner.config.load import as_written, dotted
from pyrunner.config.model import Config
from pyrunner.config.nearest_key import hint_for
from pyrunner.config.scanner import scan
from pyrunner.config.syntax import decode_text, parse_toml
from pyrunner.errors import ConfigError

_POINTER: Final = re.compile(r"/runners/(\d+)/(\w+): (.*)", re.DOTALL)


@dataclass(frozen=True)
class ConfigFinding:
    """Something wrong with the file.

    :param key: dotted path; empty where the whole file is meant.
    :param line: 1-based, 0 when unknown; so is ``column``.
    :param hint: what to do; may be empty.
    :param warning: the file can be used all the same.
    """

    message: str
    key: str = ""
    line: int = 0
    column: int = 0
    hint: str = ""
    warning: bool = False


def examine(data: bytes, environ: Mapping[str, str]) -> list[ConfigFinding]:
    """Return all findings about the content of a config.toml, in the order of the file.

    :param environ: where ``$VAR`` of url and token comes from.
    """
    try:
        text = decode_text(data)
        values = parse_toml(text)
    except ConfigError as error:
        return [ConfigFinding(error.message, "", error.line, error.column, "this is no TOML")]
    layout = scan(text)

    def finding(at: KeyPath, message: str, hint: str = "", warning: bool = False) -> ConfigFinding:
        line, column = layout.place(as_written(values, at))
        name = dotted(at)
        return ConfigFinding(f"{name}: {message}" if name else message, name, line, column, hint, warning)

    wrong, config, converter = _converted(values)
    found = [finding(error.path, str(error)) for error in wrong]
    for at in converter.unknown:
        what = "unknown table" if isinstance(_value(values, at), dict) else "unknown key"
        found.append(finding(at, what, hint_for(at, converter.known[at])))
    found += [finding(at, message) for at, message in checks.findings(config)]
    found += _for_run(config, finding)
    taken = {(one.line, one.key) for one in found}  # a wrong value is not an absent one as well
    try:
        runners = list(_for_runners(config, environ, finding))
    except ConfigError as error:  # a credential that cannot be read
        runners = [ConfigFinding(str(error))]
    found += [one for one in runners if (one.line, one.key) not in taken]
    for at, message in docker_checks.findings(config):
        found.append(finding(at, message, "jobs that need it will fail", warning=True))
    return sorted(found, key=lambda one: (one.line, one.column))


def _converted(values: dict[str, Any]) -> tuple[list[WrongValueError], Config, Converter]:
    """Return the wrong values, and what the file is without them."""
    wrong: list[WrongValueError] = []
    kept = copy.deepcopy(values)
    while True:
        converter = Converter()
        try:
            return wrong, converter.struct(Config, kept), converter
        except WrongValueError as error:
            wrong.append(error)
            _drop(kept, error.path)


def _drop(values: dict[str, Any], path: KeyPath) -> None:
    """Take the value at ``path`` out; of a list the whole key, so that other items keep their numbers."""
    last = max(index for index, part in enumerate(path) if isinstance(part, str))
    table: Any = values
    for part in path[:last]:
        table = table[part]
    del table[path[last]]


def _value(values: Any, path: KeyPath) -> Any:
    for part in path:
        values = values[part]
    return values


def _for_run(config: Config, finding: Callable[[KeyPath, str], ConfigFinding]) -> Iterator[ConfigFinding]:
    """Yield each of the settings that only ``run`` refuses; the check itself stops at the first."""
    harmless = replace(config, concurrent=1, log_level=None, log_format=None)
    for key in ("concurrent", "log_level", "log_format"):
        found: list[ConfigFinding] = []

        def refuse(at: KeyPath, message: str, found: list[ConfigFinding] = found) -> ConfigError:
            found.append(finding(at, message))
            return ConfigError(message)

        try:
            checks.check_for_run(replace(harmless, **{key: getattr(config, key)}), refuse)
        except ConfigError:
            yield from found


def _for_runners(
    config: Config, environ: Mapping[str, str], finding: Callable[..., ConfigFinding]
) -> Iterator[ConfigFinding]:
    """Yield what gitlab-runner's schema refuses, and what the log of ``run`` would warn of."""
    expanded = replace(
        config,
        runners=[
            replace(one, url=expand(one.url, environ), token=expand(one.token, environ))
            for one in config.runners
        ],
    )
    for text in notices.schema_findings(expanded):
        match = _POINTER.fullmatch(text)
        assert match is not None, text
        index, key = int(match[1]), match[2]
        written = getattr(config.runners[index], key)
        if written and key in ("url", "token"):
            # a service may have variables that this shell has not
            hint = f"no variable of this environment fills {key}; the service's may"
            yield finding(("runners", index, key), "is empty", hint, warning=True)
        elif key in ("url", "token"):
            yield finding(("runners", index, key), f"a runner needs its {key}")
        else:
            yield finding(("runners", index, key), match[3])
    for index, runner in enumerate(expanded.runners):
        if runner.url.rstrip("/").endswith("/ci"):
            yield finding(
                ("runners", index, "url"), "the ending /ci is an old form", "remove /ci", warning=True
            )
        if runner.token and not runner.has_token:
            text = "is blank: the runner will not be polled"
            yield finding(("runners", index, "token"), text, warning=True)
