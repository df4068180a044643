"""``coordinator``: the embedded coordinator alone, for trying things out (hidden)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from pyrunner.cli.flags import Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.coordinator.server import EmbeddedCoordinator
from pyrunner.coordinator.standalone import run_coordinator
from pyrunner.errors import PyrunnerError, UsageError

_HOST: Final = Flag(("host",), default="127.0.0.1", help="Address to listen on")
_PORT: Final = Flag(("port",), Kind.INTEGER, default=8929, help="Port to listen on, 0 for a free one")
_DIRECTORY: Final = Flag(("directory",), help="Folder of traces and artifacts; default: a temporary one")
_REPOSITORY: Final = Flag(("repository",), Kind.MAP, help="Serve a repository, as group/project:PATH")
_TOKEN: Final = Flag(("runner-token",), help="Token of a runner that exists from the start")


def run(invocation: Invocation) -> int:
    """Serve until SIGINT or SIGTERM.

    :raises UsageError: for a port that is none.
    :raises PyrunnerError: when the address cannot be had.
    """
    values = invocation.values
    port, directory = values.number(_PORT.name), values.text(_DIRECTORY.name)
    if not 0 <= port <= 65535:
        raise UsageError(f"{port} is not a port; give a number from 0 to 65535")
    try:
        run_coordinator(
            values.text(_HOST.name),
            port,
            directory=Path(directory).absolute() if directory else None,
            repositories={name: Path(path) for name, path in values[_REPOSITORY.name].items()},
            runner_token=values.text(_TOKEN.name),
            announce=_announce,
        )
    except OSError as error:
        raise PyrunnerError(f"cannot serve on {values.text(_HOST.name)}:{port}: {error.strerror}") from None
    return 0


def _announce(coordinator: EmbeddedCoordinator) -> None:
    """Print where it is and who may do what: the tokens are made for this purpose alone."""
    click.echo(f"URL:                   {coordinator.url}")
    click.echo(f"Registration token:    {coordinator.registration_token}")
    click.echo(f"Personal access token: {coordinator.personal_access_token}")
    click.echo(f"Admin token:           {coordinator.admin_token}")


COMMAND: Final = RunnerCommand(
    "coordinator",
    run,
    (_HOST, _PORT, _DIRECTORY, _REPOSITORY, _TOKEN),
    help="serve the embedded coordinator",
)
