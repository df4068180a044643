"""``lint``: what is wrong with a .gitlab-ci.yml or, without one, with config.toml.

With a file it examines that pipeline, offline; a file whose name ends in ``.toml`` is examined as
``lint-config`` does. Without a file it is gitlab-runner's ``lint``, to the word (config-and-commands.md 2.4),
unless there is no config.toml, which is an error there, and the repository it is called in has a pipeline.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.config.load import load_config
from pyrunner.config.notices import schema_findings
from pyrunner.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pyrunner.ci.finding import Finding

#: The exit code for a pipeline that GitLab would refuse.
REFUSED: Final = 2
PIPELINE: Final = Path(".gitlab-ci.yml")
_JSON: Final = Flag(("json",), Kind.BOOLEAN, help="The same as --format json")
_FORMAT: Final = Flag(
    ("format",),
    default="text",
    choices=("text", "json", "gcc", "github"),
    help="How findings about a pipeline are printed: text, json, gcc (editors, pre-commit) or github",
)
_SCHEMA: Final = Flag(
    ("schema",), Kind.BOOLEAN, help="Warn of what GitLab's JSON schema for editors does not know, too"
)
_INPUT: Final = Flag(("input",), Kind.LIST, help="NAME=VALUE of an input of the pipeline; may be repeated")
_VARIABLE: Final = Flag(
    ("variable",), Kind.LIST, help="NAME=VALUE of a variable that includes can see; may be repeated"
)
_FOLDER: Final = Flag(
    ("include-folder",), help="Folder with the included files of other projects, templates and addresses"
)


def run(invocation: Invocation) -> int:
    """Examine the files; the exit code is 2 when one of them is refused, 0 for mere warnings.

    :raises UsageError: for a file that cannot be read, and an unknown format.
    :raises CommandFailed: when config.toml is not valid.
    """
    if not invocation.rest:
        here = _repository(PIPELINE) / PIPELINE
        if (
            invocation.values.is_set(CONFIG.name)
            or ConfigFile.of(invocation).path.exists()
            or not here.is_file()
        ):
            return _lint_config(invocation)
        return _lint_pipelines(invocation, [os.path.relpath(here)])
    if all(name.endswith(".toml") for name in invocation.rest):
        from pyrunner.cli.lint_config import examine_files

        form = "json" if invocation.values.flag(_JSON.name) else invocation.values.text(_FORMAT.name)
        return examine_files([Path(name) for name in invocation.rest], form, invocation.session.environ)
    return _lint_pipelines(invocation, invocation.rest)


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


def _lint_pipelines(invocation: Invocation, names: Sequence[str]) -> int:
    from pyrunner.cli.findings import FORMATS  # with the compiler below it: not for config.toml

    values = invocation.values
    form = "json" if values.flag(_JSON.name) else values.text(_FORMAT.name)
    if form not in FORMATS:
        raise UsageError(f"--format is one of {', '.join(FORMATS)}")
    found: list[Finding] = []
    for name in names:
        findings = _findings(invocation, Path(name))
        found += findings
        if form == "text" and not findings:
            click.echo(f"{name}: no findings")
    if found or form == "json":
        click.echo(FORMATS[form](found))
    return REFUSED if any(not one.warning for one in found) else 0


def _findings(invocation: Invocation, path: Path) -> list[Finding]:
    from pyrunner.ci.files import Folder
    from pyrunner.ci.lint import lint
    from pyrunner.ci.locations import IncludeContext

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
    if values.flag(_SCHEMA.name):
        from pyrunner.ci.schema import schema_findings  # jsonschema takes its time

        found += schema_findings(text, str(path))
    return [
        one if one.position.file else replace(one, position=one.position._replace(file=str(path)))
        for one in found
    ]


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
    [CONFIG, _JSON, _FORMAT, _SCHEMA, _INPUT, _VARIABLE, _FOLDER],
    help="examine a .gitlab-ci.yml, or config.toml when there is one and no file is given",
    usage="[FILE...]",
)
