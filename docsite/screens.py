"""``python -m docsite.screens``: pictures of what commands print, from running them on ``examples/pipeline``.

They show times, so they are made when somebody asks for it, and not compared like the other pictures.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from docsite.terminal import terminal_picture

ROOT: Final = Path(__file__).resolve().parents[1]
_GIT: Final = ("git", "-c", "user.name=pyrunner", "-c", "user.email=pyrunner@example.com")


def main() -> None:
    """Write the pictures below ``docs/pictures``."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "pipeline"
        shutil.copytree(ROOT / "examples" / "pipeline", copy)
        for words in (("init", "--quiet", "--initial-branch", "main"), ("add", "."), ("commit", "-qm", "x")):
            subprocess.run([*_GIT, *words], cwd=copy, check=True)
        listed = _output(["exec", "--list"], copy, folder)
        _write("exec-list", "The jobs of a pipeline", "pyrunner exec --list", listed)
        ran = _output(["exec", "--executor", "shell"], copy, folder)
        end = ran[ran.index("\n\n") + 2 :]
        _write("exec-end", "The end of a pipeline", "pyrunner exec --executor shell", end)


def _output(words: list[str], copy: Path, home: str) -> str:
    """Return what a command prints on a terminal; jobs of the example may fail."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "CI"))}
    ran = subprocess.run(
        [sys.executable, "-m", "pyrunner", *words],
        cwd=copy,
        env={**kept, "HOME": home, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.replace(home, "~")


def _write(name: str, title: str, command: str, output: str) -> None:
    (ROOT / "docs" / "pictures" / f"{name}.svg").write_text(terminal_picture(title, command, output))


if __name__ == "__main__":
    main()
