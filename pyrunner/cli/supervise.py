"""``supervise CONTROL_DIR``: drive one job in the foreground (hidden; design 1)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pyrunner.cli.group import Invocation, RunnerCommand
from pyrunner.errors import UsageError
from pyrunner.supervisor.main import supervise


def run(invocation: Invocation) -> int:
    """Run or resume the job; the exit code is 1 when another supervisor has it.

    :raises UsageError: when not exactly one directory is named.
    """
    if len(invocation.rest) != 1:
        raise UsageError("name exactly one control directory: .../build/<job id>")
    return supervise(Path(invocation.rest[0]))


COMMAND: Final = RunnerCommand("supervise", run, (), help="drive one job", usage="CONTROL_DIR")
