"""Our own Python and package inside the sandbox, wherever they are on the host.

A stage's working folder is the job's: ``python -m`` there would import the job's ``pyrunner``. The package
is therefore mounted at a place of its own beside a ``__main__.py``, and that folder is run, isolated
(``-I``): neither the working folder nor a ``PYTHON…`` variable of the job has a say in what is imported.
"""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyrunner
from pyrunner.executors.sandbox import inside
from pyrunner.system.helper_words import helper_words

#: What is ours inside the sandbox; nothing of a job is below it but its archives.
OWN: Final = "/.pyrunner"
PROGRAM: Final = f"{OWN}/python"


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs the helper's commands."""

    #: As started; may be a link into ``prefix``.
    executable: str
    #: Folders that have to be visible at their own places, outermost first.
    folders: tuple[str, ...]
    #: The package ``pyrunner``.
    package: Path
    #: The program that becomes ``__main__.py`` beside it.
    program: Path

    @classmethod
    def current(cls) -> Interpreter:
        """Return the one that runs this."""
        places = {sys.prefix, sys.base_prefix, sys.base_exec_prefix, sys.exec_prefix}
        for name in ("stdlib", "platstdlib", "purelib", "platlib"):
            places.add(sysconfig.get_path(name))
        executable = Path(sys.executable)
        places |= {str(executable.parent), str(executable.resolve().parent)}
        # A link on the way to a folder is a folder inside: both its names have to be there.
        places |= {str(Path(place).resolve()) for place in places}
        package = Path(pyrunner.__file__).resolve().parent
        return cls(str(executable), _outermost(places), package, Path(inside.__file__).resolve())

    def command(self, module: str) -> tuple[str, ...]:
        """Return the words that run ``module`` of ours inside, arguments to follow."""
        return (self.executable, "-I", PROGRAM, module)

    @property
    def helper_command(self) -> tuple[str, ...]:
        """Return the words that call the helper: ``ExecutorTraits.helper_command``."""
        return helper_words(self.executable, Path(PROGRAM, "pyrunner"))

    @property
    def scrub_command(self) -> tuple[str, ...]:
        """Return the words that make a project's repository harmless; project folders follow."""
        return self.command("pyrunner.executors.sandbox.scrub")


def _outermost(places: set[str]) -> tuple[str, ...]:
    """Leave out what lies in another place, or in what every sandbox sees anyway."""
    kept: list[str] = []
    for place in sorted(places):
        if not any(_covers(outer, place) for outer in ("/usr", "/bin", "/lib", "/lib64", *kept)):
            kept.append(place)
    return tuple(kept)


def _covers(outer: str, path: str) -> bool:
    return path == outer or path.startswith(outer.rstrip("/") + "/")
