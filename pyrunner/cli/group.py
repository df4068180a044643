"""The command line as click sees it: commands are imported when they are called, flags are data."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from pyrunner.cli.arguments import read_arguments
from pyrunner.cli.examples import help_text
from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.flags import Flag, IgnoredFamily, Kind
from pyrunner.cli.session import Session
from pyrunner.cli.values import Values, read_values
from pyrunner.errors import UsageError

#: A usage that is a choice between words.
_WORDS: Final = re.compile(r"[a-z]+(\|[a-z]+)+")
_VALUES: Final = f"{__name__}.values"
_REST: Final = f"{__name__}.rest"


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a command.

    :param rest: arguments that are no flags.
    :param ignored: flags that were accepted without effect.
    """

    values: Values
    rest: Sequence[str]
    ignored: Sequence[str]
    session: Session


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that is not imported yet.

    :param module: holds the :class:`RunnerCommand`, or any click command, as ``attribute``.
    :param quiet: does not open with the line about the runtime platform: our own commands, which
        may run often or are called by ourselves.
    """

    module: str
    help: str
    hidden: bool = False
    quiet: bool = False
    attribute: str = "COMMAND"


class RunnerCommand(click.Command):
    """A command whose flags are a list of :class:`.Flag`.

    :param run: does the work; its return value is the exit code.
    :param families: flags taken and dropped, see :class:`.IgnoredFamily`.
    :param usage: what follows the flags on the command line, for the help page.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Invocation], int],
        flags: Sequence[Flag],
        *,
        help: str,
        families: Sequence[IgnoredFamily] = (),
        usage: str = "",
    ) -> None:
        super().__init__(
            name,
            help=help,
            params=[_option(flag) for flag in flags],
            options_metavar=" ".join(filter(None, ("[OPTIONS]", usage))),
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self._run = run
        self.flags = tuple(flags)
        self._families = tuple(families)
        self._usage = usage

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read ``args`` the Go way.

        :raises UsageError: after the message and the help page are on standard output (2.1).
        """
        if ctx.resilient_parsing:  # shell completion: nothing is run
            return []
        session = ctx.ensure_object(Session)
        try:
            arguments = read_arguments(args, self.flags, self._families)
        except UsageError as error:
            click.echo(f"Incorrect Usage: {error}\n\n{ctx.get_help()}")
            raise
        if arguments.wants_help:
            click.echo(ctx.get_help())
            ctx.exit()
        values = read_values(self.flags, arguments.given, session.environ)
        ctx.params = {"invocation": Invocation(values, arguments.rest, arguments.ignored, session)}
        return []

    def invoke(self, ctx: click.Context) -> int:
        """Do the work and return the exit code."""
        return self._run(ctx.params["invocation"])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete flags, and file names where the command takes files."""
        items = super().shell_complete(ctx, incomplete)
        if "FILE" in self._usage and not incomplete.startswith("-"):
            items.append(CompletionItem(incomplete, type="file"))
        words = self._usage.split("|") if _WORDS.fullmatch(self._usage) else []
        return items + [CompletionItem(one) for one in words if one.startswith(incomplete)]


class LazyGroup(click.Group):
    """The program: global flags, then a command out of ``commands``.

    :param version: what ``--version`` prints.
    :param start: called before the command, with the session, the values of the global flags and
        the command's entry.
    """

    def __init__(
        self,
        lazy_commands: Mapping[str, LazyCommand],
        flags: Sequence[Flag],
        *,
        version: Callable[[], str],
        start: Callable[[Session, Values, LazyCommand | None], None],
    ) -> None:
        super().__init__(
            help="A GitLab Runner that loses no job.",
            params=[_option(flag) for flag in flags] + [_switch("version", "v", "print the version")],
            invoke_without_command=True,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self._lazy = dict(lazy_commands)
        self._flags = tuple(flags)
        self._version = version
        self._start = start

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names a user may see."""
        return sorted(name for name, entry in self._lazy.items() if not entry.hidden)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None when there is no such."""
        entry = self._lazy.get(cmd_name)
        if entry is None:
            return None
        command = getattr(importlib.import_module(entry.module), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.attribute} is no command")
        if command.epilog is None:
            command.epilog = f"\b\n{help_text(cmd_name)}"
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names of commands without importing any, and the global flags."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        items = [CompletionItem(name, help=self._lazy[name].help) for name in names]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._lazy[name].help) for name in self.list_commands(ctx)])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the global flags the Go way and leave the rest to the command.

        :raises UsageError: after the message and the help page are on standard output (2.1).
        """
        if ctx.resilient_parsing:  # shell completion: nothing is run
            return super().parse_args(ctx, args)
        session = ctx.ensure_object(Session)
        version = Flag(("version", "v"), Kind.BOOLEAN)
        try:
            arguments = read_arguments(args, (*self._flags, version), stop_at_first=True)
        except UsageError as error:
            click.echo(f"Incorrect Usage: {error}\n\n{ctx.get_help()}")
            raise
        if arguments.wants_help:
            click.echo(ctx.get_help())
            ctx.exit()
        if "version" in arguments.given:
            click.echo(self._version(), nl=False)
            ctx.exit()
        ctx.meta[_VALUES] = read_values(self._flags, arguments.given, session.environ)
        ctx.meta[_REST] = arguments.rest
        return super().parse_args(ctx, list(arguments.rest))

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; without one, show the help page."""
        if ctx.meta[_REST]:
            return super().invoke(ctx)
        self._start(ctx.ensure_object(Session), ctx.meta[_VALUES], None)
        click.echo(ctx.get_help())
        return 0

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Start the session and return the command that ``args`` starts with.

        :raises CommandFailed: when there is no such command.
        """
        if ctx.resilient_parsing:  # an unknown name has no completions
            return args[0], self.get_command(ctx, args[0]), args[1:]
        self._start(ctx.ensure_object(Session), ctx.meta[_VALUES], self._lazy.get(args[0]))
        command = self.get_command(ctx, args[0])
        if command is None:
            raise CommandFailed(f"Command {args[0]} not found.")
        return args[0], command, args[1:]


def _option(flag: Flag) -> click.Option:
    """Return what the help page shows of ``flag``; click itself never parses it."""
    text = flag.help + (f" [${flag.env}]" if flag.env else "")
    switch = flag.kind.is_boolean
    return click.Option(
        [flag.key, *flag.spelled],
        help=text,
        is_flag=switch,
        type=_completed_type(flag),
        metavar=None if switch else _METAVARS.get(flag.kind, "VALUE"),
        hidden=flag.ignored,
    )


def _completed_type(flag: Flag) -> click.ParamType[Any] | None:
    """Return what a shell completes the value of ``flag`` to; nothing is checked by it."""
    if flag.choices:
        return click.Choice(flag.choices)
    if flag.kind is Kind.STRING and flag.name.endswith(_FILE_ENDINGS):
        return click.Path()
    return None


#: Endings of names of flags that take a path.
_FILE_ENDINGS: Final = ("config", "-file", "-dir", "directory", "-folder", "-path")

_METAVARS: Final = {
    Kind.INTEGER: "NUMBER",
    Kind.OPTIONAL_INTEGER: "NUMBER",
    Kind.DURATION: "DURATION",
    Kind.MAP: "KEY:VALUE",
    Kind.BOOLEAN_MAP: "KEY:VALUE",
    Kind.LIST_MAP: "KEY:VALUE",
}


def _switch(name: str, letter: str, text: str) -> click.Option:
    return click.Option([f"-{letter}", f"--{name}"], is_flag=True, help=text)
