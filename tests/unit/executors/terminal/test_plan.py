"""How terminals are opened: the plans of the executors, and the file that tells them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pyrunner.errors import JobDirError
from pyrunner.executors.docker.container.command_line import hang_up_command, terminal_command
from pyrunner.executors.shell import ShellExecutor
from pyrunner.jobdir.control import ControlDir
from pyrunner.jobdir.record import JobRecord, job_marker
from pyrunner.jobdir.terminal import TerminalKind, TerminalPlan
from pyrunner.system.proctree import MARKER
from tests.support.contexts import payload


def plan(folder: Path, user: str = "", shell: str = "bash") -> TerminalPlan:
    record = JobRecord(payload=payload(), user=user, working_directory="/srv", received_at=1.5)
    executor = ShellExecutor(
        control=ControlDir(folder),
        record=record,
        raw_log=None,  # type: ignore[arg-type]
        report=None,  # type: ignore[arg-type]
        shell=shell,
        grace=1.0,
        reuse_login=False,
    )
    return executor.terminal("export SECRET=value\n")


def test_of_a_shell_job(tmp_path: Path) -> None:
    """A login shell; nothing of the job is on its command line; the marker makes it the job's."""
    found = plan(tmp_path)
    assert found.kind == TerminalKind.HOST
    assert found.argv[:3] == ["bash", "-l", "-c"]
    assert "SECRET" not in " ".join(found.argv)
    assert found.environment[MARKER] == job_marker(tmp_path, 1.5)
    assert found.folder == "/srv"


def test_of_another_user(tmp_path: Path) -> None:
    """``su`` keeps the terminal only where it does not run the command itself."""
    found = plan(tmp_path, "ada", "sh")
    assert found.argv[:7] == ["su", "-s", "/bin/sh", "--", "ada", "-l", "-c"]


def test_the_file(tmp_path: Path) -> None:
    """Whole or not there, for its owner alone; bytes that are no UTF-8 stay what they were."""
    path = tmp_path / "terminal.json"
    made = TerminalPlan("host", ["sh"], environment={"A": "\udcff"}, script="x='\udc80'")
    made.store(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert TerminalPlan.load(path) == made
    with pytest.raises(JobDirError, match="offers no terminal"):
        TerminalPlan.load(tmp_path / "other.json")
    path.write_text('{"argv": 3}')
    with pytest.raises(JobDirError, match="argv"):
        TerminalPlan.load(path)


def test_in_a_container() -> None:
    """It names its process first; whatever shell there is becomes a login shell."""
    command = terminal_command()
    assert command[:2] == ["sh", "-c"]
    assert command[2].startswith('echo "pyrunner-terminal $$"; ')
    assert 'exec "$s" -l' in command[2]
    assert "kill -HUP -42" in hang_up_command(42)[2]
