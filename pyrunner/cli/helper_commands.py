"""The helper commands as ``pyrunner`` commands, with gitlab-runner's flags (job-execution.md 5.8)."""

from __future__ import annotations

from typing import Final

import click

from pyrunner.cli.session import Session
from pyrunner.helper.commands import run_command


class HelperCommand(click.Command):
    """Hands its arguments on as they are: flags, help and errors are the helper's own."""

    def __init__(self, name: str, about: str) -> None:
        super().__init__(name, help=about, add_help_option=False)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments for the helper."""
        ctx.params = {"arguments": list(args)}
        return []

    def invoke(self, ctx: click.Context) -> int:
        """Do the work and return the exit code."""
        assert self.name is not None
        try:
            return run_command(self.name, ctx.params["arguments"], ctx.ensure_object(Session).environ)
        except SystemExit:  # the help page has been shown
            click.echo((self.epilog or "").removeprefix("\b\n"))
            return 0


ARTIFACTS_DOWNLOADER: Final = HelperCommand(
    "artifacts-downloader", "download and extract build artifacts (internal)"
)
ARTIFACTS_UPLOADER: Final = HelperCommand(
    "artifacts-uploader", "create and upload build artifacts (internal)"
)
CACHE_ARCHIVER: Final = HelperCommand("cache-archiver", "create and upload cache artifacts (internal)")
CACHE_EXTRACTOR: Final = HelperCommand("cache-extractor", "download and extract cache artifacts (internal)")
