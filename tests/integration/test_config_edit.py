"""config.toml edited by several processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ADD = """
import sys
from pathlib import Path
from pyrunner.config.edit import append_runner
from pyrunner.config.model import RunnerConfig
for number in range(3):
    append_runner(Path(sys.argv[1]), RunnerConfig(name=f"{sys.argv[2]}{number}", token="t"))
"""


@pytest.mark.integration
def test_processes_that_register_at_once_all_get_their_entry(tmp_path: Path) -> None:
    """Several `register` on a machine, from a missing file on, lose nothing."""
    path = tmp_path / "config.toml"
    processes = [
        subprocess.Popen([sys.executable, "-c", _ADD, str(path), name], cwd=Path(__file__).parents[2])
        for name in "abc"
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    text = path.read_text()
    assert text.count("[[runners]]") == 9
    assert text.count("concurrent =") == 1
    assert os.listdir(tmp_path) == ["config.toml"]
