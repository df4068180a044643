"""``gc``: make room, beside a running manager or without one.

What goes is what the manager lets go by itself now and then: see :mod:`pyrunner.manager.clean_up`. The table
goes to standard output: it is what was asked for. Each removal is a line of the log as well.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Final

import click
from tabulate import tabulate

from pyrunner.cli.config_file import ConfigFile
from pyrunner.cli.engine_things import engine_things
from pyrunner.cli.flags import CONFIG, Flag, Kind
from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.config.model import Config
from pyrunner.config.sizes import format_size
from pyrunner.errors import JobDirError, PyrunnerError, UsageError
from pyrunner.manager.business import assign_businesses, executor_root
from pyrunner.manager.clean_up import CleanUp, CleanUpResult, CleanUpRuns
from pyrunner.manager.clean_up_order import CleanUpOrder
from pyrunner.protocol.decode import decode
from pyrunner.system.process import reset_oom_score

_log: Final = logging.getLogger(__name__)

_DRY_RUN: Final = Flag(("dry-run",), Kind.BOOLEAN, help="Only show what would go; change nothing")
_JSON: Final = Flag(("json",), Kind.BOOLEAN, help="Print JSON instead of tables")
_ORDERS: Final = Flag(
    ("orders",),
    Kind.BOOLEAN,
    help="Take what to do from standard input, as the manager gives it, and print nothing (internal)",
)

_HEADINGS: Final = ("KIND", "NAME", "SIZE", "UNUSED FOR", "WHY")
_DAY: Final = 86400.0


def run(invocation: Invocation) -> int:
    """Make room; the exit code is 1 when a business could not be tidied up.

    :raises UsageError: for arguments that are no flags.
    """
    values, environ = invocation.values, invocation.session.environ
    if invocation.rest:
        raise UsageError(f"gc takes no argument such as {invocation.rest[0]}: it works on all runners")
    dry_run = values.flag(_DRY_RUN.name)
    # Others need the machine more; the manager's own protection is not for its helpers.
    os.nice(10)
    reset_oom_score()
    ordered = values.flag(_ORDERS.name)
    orders = _ordered(sys.stdin.read()) if ordered else _configured(ConfigFile.of(invocation).load(), environ)
    results, complete = _clean_up(orders, environ, dry_run, ordered)
    if values.flag(_JSON.name):
        click.echo(json.dumps([asdict(one) for one in results], indent=2))
    elif not ordered:
        click.echo(
            "\n\n".join(report(one, dry_run, time.time()) for one in results) or "No runner has a folder."
        )
    return 0 if complete else 1


def _ordered(text: str) -> list[CleanUpOrder]:
    try:
        return [decode(CleanUpOrder, one) for one in json.loads(text)]
    except (ValueError, TypeError, PyrunnerError) as error:
        raise UsageError(f"standard input holds no orders: {error}") from None


def _configured(config: Config, environ: Mapping[str, str]) -> list[CleanUpOrder]:
    """Return the orders of a configuration; a runner that never had a job has nothing to tidy up.

    :raises JobDirError: when this user may not look into a runner's folder.
    """
    runners = [one for one in config.runners if executor_root(one, environ, os.geteuid()).is_dir()]
    try:
        businesses = assign_businesses(runners, environ, os.geteuid())
        pairs = [pair for pair in zip(businesses, runners, strict=True) if pair[0].path.is_dir()]
    except PermissionError as error:
        raise JobDirError(
            f"{error.filename}: not accessible; run this as the user that the runner manager runs as"
        ) from None
    return [CleanUpOrder.of(business, runner) for business, runner in pairs]


def _clean_up(
    orders: Sequence[CleanUpOrder], environ: Mapping[str, str], dry_run: bool, ordered: bool
) -> tuple[list[CleanUpResult], bool]:
    results, complete = [], True
    for order in orders:
        try:
            with engine_things(order, environ) as things:
                results.append(CleanUp(order.business, things, dry_run=dry_run).run(order.rules))
        except PyrunnerError as error:
            # Somebody who does it by hand does what the manager wants.
            done_anyway = ordered and isinstance(error, CleanUpRuns)
            complete = complete and done_anyway
            level = logging.INFO if done_anyway else logging.ERROR
            _log.log(level, "%s", error, extra={"fields": {"business": order.business_id}})
    return results, complete


def report(result: CleanUpResult, dry_run: bool, now: float) -> str:
    """Return what a round came to, as text for people.

    :param now: seconds since the epoch.
    """
    rows = [
        (one.kind, one.name, format_size(one.size), _age(now - one.used_at), one.reason)
        for one in result.removed
    ]
    sum_of_sizes = format_size(sum(one.size for one in result.removed))
    lines = [f"Runner {result.business} in {result.path}"]
    if rows:
        lines.append(tabulate(rows, headers=_HEADINGS, tablefmt="plain", disable_numparse=True))
    verb = "would be removed" if dry_run else "removed"
    lines.append(f"{len(rows)} {verb} ({sum_of_sizes}), {_of_disk(result)}")
    lines += [f"Kept: {one.kind} {one.name}: {one.why}" for one in result.kept]
    return "\n".join(lines)


def _of_disk(result: CleanUpResult) -> str:
    words = [f"{format_size(result.free)} free on the disk"]
    if result.min_free:
        words.append(f"min_free is {format_size(result.min_free)}")
    if result.used is not None and result.disk_budget:
        words.append(f"{format_size(result.used)} of a budget of {format_size(result.disk_budget)} used")
    elif not result.disk_budget:
        words.append("no disk_budget")
    return ", ".join(words)


def _age(seconds: float) -> str:
    days, rest = divmod(max(0.0, seconds), _DAY)
    return f"{days:.0f} days" if days >= 2 else f"{(days * _DAY + rest) / 3600:.0f} h"


COMMAND: Final[RunnerCommand] = RunnerCommand(
    "gc", run, (CONFIG, _DRY_RUN, _JSON, _ORDERS), help="make room: remove what was not used for longest"
)
