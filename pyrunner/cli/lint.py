"""``lint``: what is wrong with a .gitlab-ci.yml or, without one, with config.toml.

With a file it examines that pipeline, offline. Without one it is gitlab-runner's ``lint``
(config-and-commands.md 2.4).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.config.load import load_config
from pyrunner.config.notices import schema_findings
from pyrunner.errors import ConfigError, UsageError

_JSON: Final = Flag(("json",), Kind.BOOLEAN, help="Print the findings about a pipeline as a JSON list")
_INPUT: Final = Flag(("input",), Kind.LIST, help="NAME=VALUE of an input of the pipeline; may be repeated")
_VARIABLE: Final = Flag(
    ("variable",), Kind.LIST, help="NAME=VALUE of a variable that includes can see; may be repeated"
)
_FOLDER: Final = Flag(
    ("include-folder",), help="Folder with the included files of other projects, templates and addresses"
)


def run(invocation: Invocation) -> int:
    """Examine the file; the exit code is 1 when there is a finding.

    :raises UsageError: for more than one file, and one that cannot be read.
    :raises CommandFailed: when config.toml is not valid.
    """
    if not invocation.rest:
        return _lint_config(invocation)
    if len(invocation.rest) > 1:
        raise UsageError("lint examines one file; call it once for each")
    return _lint_pipeline(invocation, Path(invocation.rest[0]))


def _lint_config(invocation: Invocation) -> int:
    file = ConfigFile.of(invocation)
    try:
        config = load_config(file.path, file.environ)
    except FileNotFoundError:
        raise CommandFailed(f"config file not found: {file.path}") from None
    except ConfigError as error:
        raise CommandFailed(f"decoding config: {error}") from None
    if config.unknown_keys:
        lines = [f"{len(config.unknown_keys)} unknown key(s) found in {file.path}:"]
        lines += [f"  unknown key: {one.path}" for one in config.unknown_keys]
        raise CommandFailed("\n".join(lines))
    if found := schema_findings(config):
        raise CommandFailed(f"config schema validation failed: {'; '.join(found)}")
    click.echo("Configuration file is valid.")
    return 0


def _lint_pipeline(invocation: Invocation, path: Path) -> int:
    # the compiler's libraries are wanted here only, not for config.toml
    from pyrunner.ci.files import Folder
    from pyrunner.ci.include import IncludeContext
    from pyrunner.ci.lint import lint

    values = invocation.values
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: the file is not UTF-8") from None
    folder = values.text(_FOLDER.name)
    context = IncludeContext(
        tree=Folder(_repository(path)),
        elsewhere=Folder(Path(folder)) if folder else None,
        variables=_pairs(_VARIABLE, values[_VARIABLE.name]),
    )
    found = lint(text, str(path), context, _pairs(_INPUT, values[_INPUT.name]))
    if values.flag(_JSON.name):
        shown = [{"message": one.message, "hint": one.hint, **one.position._asdict()} for one in found]
        click.echo(json.dumps(shown, indent=2))
        return 1 if found else 0
    for one in found:
        file, line, column = one.position
        place = ":".join(str(part) for part in (file or path, line, column) if part)
        click.echo(f"{place}: {one.message}")
        if one.hint:
            click.echo(f"    hint: {one.hint}")
    if not found:
        click.echo(f"{path}: no findings")
    return 1 if found else 0


def _repository(path: Path) -> Path:
    """Return the folder that local includes start from: the work tree, or where the file is."""
    parent = path.resolve().parent
    return next((one for one in (parent, *parent.parents) if (one / ".git").exists()), parent)


def _pairs(flag: Flag, texts: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"--{flag.name} wants NAME=VALUE")
        pairs[name] = value
    return pairs


COMMAND: Final = RunnerCommand(
    "lint",
    run,
    [CONFIG, _JSON, _INPUT, _VARIABLE, _FOLDER],
    help="examine a .gitlab-ci.yml, or config.toml when no file is given",
    usage="[FILE]",
)
