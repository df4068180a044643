"""``migrate``: from gitlab-runner to pyrunner on this host, and back with ``--back``.

Says what will differ for this very configuration, ends gitlab-runner after its jobs, and starts pyrunner on
the same config.toml. What goes to standard output is what was asked for: the report and the steps.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.config.load import parse_config
from pyrunner.config.locations import CONFIG_FILE_VARIABLE
from pyrunner.config.marked_lines import add_source_path, remove_marked
from pyrunner.config.model import Config
from pyrunner.errors import UsageError
from pyrunner.manager.business import executor_root
from pyrunner.manager.link import known_executors
from pyrunner.migration.differences import Difference, differences
from pyrunner.migration.old_service import OldService, read_old_service, unit_fits
from pyrunner.migration.switch import Before, Switch
from pyrunner.service.control import Service
from pyrunner.service.description import ServiceDescription, check_service_name
from pyrunner.service.host import own_program, require_systemd

_DRY_RUN: Final = Flag(("dry-run",), Kind.BOOLEAN, help="Only say what differs and what would be done")
_BACK: Final = Flag(("back",), Kind.BOOLEAN, help="Go back to gitlab-runner")
_FROM: Final = Flag(("from",), default="gitlab-runner", help="Name of gitlab-runner's service")
_TO: Final = Flag(("to",), default="pyrunner", help="Name of pyrunner's service")
_NO_SERVICE: Final = Flag(("no-service",), Kind.BOOLEAN, help="Change config.toml only")
_SOURCE_PATH: Final = Flag(
    ("source-path",),
    default="slot",
    choices=("slot", "branch"),
    help="slot: shell jobs have one path for all branches, as with gitlab-runner; branch: one for each",
)
_FORCE: Final = Flag(("force",), Kind.BOOLEAN, help="Go on although some runners will get no jobs")


def run(invocation: Invocation) -> int:
    """Switch over, or back.

    :raises CommandFailed: when a runner would get no jobs any more, and --force is not given.
    :raises PyrunnerError: when a step fails.
    """
    values = invocation.values
    if values.text(_SOURCE_PATH.name) not in ("slot", "branch"):
        raise UsageError("--source-path is slot or branch")
    services = None if values.flag(_NO_SERVICE.name) else _services(invocation)
    old = read_old_service(services[0].systemctl, services[0].name) if services else None
    file = _file(invocation, old)
    pair = services if services and old else (None, None)
    switch = Switch(file.path, pair[0], pair[1], click.echo)
    if values.flag(_BACK.name):
        if services and old is None:
            raise CommandFailed(
                f"there is no service {services[0].name} to go back to; --no-service changes config.toml only"
            )
        return _back(invocation, file, switch)
    config = file.load()
    if not config.runners:
        raise CommandFailed(f"{file.path} has no [[runners]] entry: nothing to migrate")
    chosen = _chosen(config) if values.text(_SOURCE_PATH.name) == "slot" else []
    data = file.path.read_bytes()
    changed = add_source_path(data, chosen, str(file.path))
    migrated = parse_config(changed, file.environ, file.path)
    found = list(
        differences(migrated, known_executors(), lambda one: executor_root(one, file.environ, os.getuid()))
    )
    _report(file.path, found, old)
    _show(data, changed, file.path)
    blocked = sorted({one.runner for one in found if one.blocks})
    if values.flag(_DRY_RUN.name):
        click.echo(_steps(services if old else None))
        return 0
    if blocked and not values.flag(_FORCE.name):
        raise CommandFailed(
            f"no jobs would run any more for: {', '.join(blocked)}; --force goes on all the same"
        )
    file.require_writable()
    description = _description(services[1], file.path, old) if services and old else None
    if services and description is not None and unit_fits(services[1], description):
        description = None
    before = Before(
        active=old.active if old else False,
        enabled=old.enabled if old else False,
        unit_existed=services[1].path.exists() if services else True,
    )
    switch.there(before, chosen, description)
    if old is None:
        click.echo("Services were left alone: pyrunner install, then pyrunner start.")
    click.echo("Done. The way back: pyrunner migrate --back")
    return 0


def _back(invocation: Invocation, file: ConfigFile, switch: Switch) -> int:
    if invocation.values.flag(_DRY_RUN.name):
        data = file.path.read_bytes() if file.path.exists() else b""
        _show(data, remove_marked(data, str(file.path)), file.path)
        click.echo("Would stop pyrunner after its jobs, and start gitlab-runner as it was.")
        return 0
    switch.back()
    click.echo("Done. Jobs' folders of pyrunner stay; they can be removed.")
    return 0


def _services(invocation: Invocation) -> tuple[Service, Service]:
    require_systemd()
    environ = invocation.session.environ
    names = [check_service_name(invocation.values.text(flag.name)) for flag in (_FROM, _TO)]
    if names[0] == names[1]:
        raise UsageError("--from and --to are the same service")
    old, new = (Service(name, os.getuid() != 0, environ) for name in names)
    return old, new


def _file(invocation: Invocation, old: OldService | None) -> ConfigFile:
    """Return the file that is named, else the one of gitlab-runner's unit."""
    environ = invocation.session.environ
    named = invocation.values.is_set(CONFIG.name) or CONFIG_FILE_VARIABLE in environ
    if not named and old is not None and old.config is not None:
        return ConfigFile(old.config, environ)
    return ConfigFile.of(invocation)


def _chosen(config: Config) -> list[int]:
    return [index for index, one in enumerate(config.runners) if one.executor == "shell"]


def _report(path: Path, found: Iterable[Difference], old: OldService | None) -> None:
    click.echo(f"What will differ with {path} (all of it: docs/differences.md):")
    for one in found:
        where = f"{one.runner}: " if one.runner else ""
        click.echo(f"  {'!' if one.blocks else '-'} {where}{one.text}")
        if one.advice:
            click.echo(f"      {one.advice}")
    for text in old.left if old else ():
        click.echo(f"  - {text}")
    if old is not None and old.listen_address:
        click.echo(
            f'  - write listen_address = "{old.listen_address}" into {path}: the unit does not carry it'
        )


def _show(before: bytes, after: bytes, path: Path) -> None:
    """Show the changed lines alone: those around them hold tokens."""
    old, new = (text.decode(errors="replace").splitlines() for text in (before, after))
    changed = [one for one in difflib.unified_diff(old, new, n=0, lineterm="") if one[:2] not in ("--", "++")]
    if changed:
        click.echo(f"{path}:")
        click.echo("\n".join(f"  {line}" for line in changed))


def _steps(services: tuple[Service, Service] | None) -> str:
    if services is None:
        return "Would change the file, and leave services alone."
    old, new = services
    return (
        f"Would stop and disable {old.unit} after its jobs, change the file, "
        f"{'enable' if new.path.exists() else 'install'} and start {new.unit}."
    )


def _description(service: Service, config: Path, old: OldService) -> ServiceDescription:
    """Return our unit with what gitlab-runner's says; root's jobs stay root's where it names nobody."""
    root = os.getuid() == 0
    return ServiceDescription(
        name=service.name,
        program=own_program(sys.argv[0], sys.executable),
        config=config.absolute(),
        working_directory=(old.working_directory or Path.cwd()).absolute(),
        user=old.user if root else "",
        init_user=old.init_user if root and not old.user else "",
        for_user=not root,
        systemd_version=service.systemctl.version(),
    )


COMMAND: Final = RunnerCommand(
    "migrate",
    run,
    (CONFIG, _DRY_RUN, _BACK, _SOURCE_PATH, _FORCE, _NO_SERVICE, _FROM, _TO),
    help="switch this host from gitlab-runner to pyrunner, or back",
)
