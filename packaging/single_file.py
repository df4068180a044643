"""The single file: a zipapp with all libraries that unpacks itself at its first start."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from staging import BuildFailed, Interpreter, copy_sources, output, requirement, version


def make_single_file(out: Path, interpreter: Interpreter) -> Path:
    """Write ``pyrunner-<version>.pyz`` into ``out`` and return its path.

    :raises BuildFailed: when pex is missing or refuses.
    """
    if importlib.util.find_spec("pex") is None:
        raise BuildFailed("no pex here: pip install pex")
    target = out / f"pyrunner-{version()}-py{interpreter.version.replace('.', '')}.pyz"
    with TemporaryDirectory() as folder:
        sources = Path(folder) / "pyrunner"
        copy_sources(sources)
        pex: list[str | Path] = [
            Path(sys.executable),
            "-m",
            "pex",
            requirement(sources),
            "--console-script",
            "pyrunner",
        ]
        # A real environment below the user's cache: supervisors and helpers start the same interpreter again.
        output([*pex, "--venv", "--python", interpreter.program, "--output-file", target])
    return target
