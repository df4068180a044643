"""``--watch``: run again whenever a file changes that git sees."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from pyrunner.cli.exec.options import Options
from pyrunner.cli.group import Invocation
from pyrunner.errors import PyrunnerError
from pyrunner.snapshot.take import open_store, tree_of
from pyrunner.snapshot.working_copy import WorkingCopy

#: Seconds between two looks at least; a look may take a tenth of the time.
_PAUSE: Final = 0.5
_INTERRUPTED: Final = 130


def watch(
    invocation: Invocation,
    options: Options,
    run: Callable[[], int],
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Run, and again after each change, until interrupted; return the exit code."""
    copy = WorkingCopy.find(Path.cwd(), invocation.session.environ)
    try:
        with tempfile.TemporaryDirectory(prefix="pyrunner-watch-", ignore_cleanup_errors=True) as folder:
            return _watch(options, run, sleep, lambda: fingerprint(copy, Path(folder)))
    except KeyboardInterrupt:
        return _INTERRUPTED


def _watch(
    options: Options, run: Callable[[], int], sleep: Callable[[float], None], look: Callable[[], str]
) -> int:
    while True:
        before = look()
        try:
            code = run()
        except PyrunnerError as error:
            click.echo(f"{error}", err=True)
            code = 1
        if code == _INTERRUPTED:
            return code
        if not options.flag("json"):
            click.echo("watching for changes; Ctrl-C ends it")
        wait_for_change(before, sleep, look)


def wait_for_change(before: str, sleep: Callable[[float], None], look: Callable[[], str]) -> None:
    """Return when the files are others than those of ``before``."""
    while True:
        began = time.monotonic()
        now = look()
        if now and now != before:
            return
        sleep(max(_PAUSE, 9 * (time.monotonic() - began)))


def fingerprint(copy: WorkingCopy, store: Path) -> str:
    """Return what all files that git sees are; empty when that cannot be told at the moment.

    :param store: folder for the contents that were seen, the same from look to look.
    """
    with contextlib.suppress(PyrunnerError, OSError):  # a file that is just being written or removed
        open_store(copy, store)
        return tree_of(copy, store)
    return ""
