"""The file tree that every package holds: one private virtual environment, one program, one unit.

Debian's and Fedora's own libraries are older than what pyrunner needs, so all that it needs comes along, in a
folder of its own where no other program looks. The interpreter is the distribution's: a package is for
one minor version of it.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

SOURCE = Path(__file__).resolve().parents[1]
#: What of the source makes the program.
_PROGRAM = ("pyrunner", "pyproject.toml", "README.md", "LICENSE")
#: Where the environment is, on the machine that the package is for.
HOME = "usr/lib/pyrunner"
_DOCUMENTS = ("README.md", "CHANGELOG.md", "LICENSE", "config.toml.example", "docs")
_COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/pyrunner",
    "zsh": "usr/share/zsh/site-functions/_pyrunner",
    "fish": "usr/share/fish/vendor_completions.d/pyrunner.fish",
}

_LAUNCHER = """#!/{home}/bin/python3 -P
import sys

from pyrunner.cli.main import main

sys.exit(main())
"""


class BuildFailed(Exception):
    """A package cannot be made; the text says why."""


@dataclass(frozen=True)
class Interpreter:
    """The interpreter that a package is for.

    :param program: one of the same minor version, here.
    """

    program: Path

    @property
    def version(self) -> str:
        """Major and minor version, as in ``3.11``."""
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        return output([self.program, "-c", code])


def output(command: list[str | Path], folder: Path | None = None) -> str:
    """Return what a command prints.

    :raises BuildFailed: when it fails.
    """
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildFailed(f"cannot run {command[0]}: {error.strerror}") from None
    if done.returncode:
        words = " ".join(str(word) for word in command[:4])
        raise BuildFailed(f"{words} … failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def version() -> str:
    """Return pyrunner's version."""
    text = (SOURCE / "pyrunner" / "__init__.py").read_text()
    return text.partition('__version__ = "')[2].partition('"')[0]


def requirement(sources: Path) -> str:
    """Return what pip has to install: with the coordinator, which ``exec`` and ``demo`` run jobs against."""
    return f"pyrunner[server] @ {sources.as_uri()}"


def copy_sources(target: Path) -> None:
    """Copy what a build reads: setuptools leaves folders behind where it builds."""
    target.mkdir(parents=True, exist_ok=True)
    for name in _PROGRAM:
        one = SOURCE / name
        if one.is_dir():
            shutil.copytree(one, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(one, target / name)


def stage(root: Path, interpreter: Interpreter) -> None:
    """Make the tree below ``root``, as it will be below ``/``.

    :raises BuildFailed: when a part cannot be made.
    """
    _environment(root, interpreter)
    _service(root)
    _documents(root)
    _generated(root, interpreter)
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def _environment(root: Path, interpreter: Interpreter) -> None:
    home = root / HOME
    packages = home / "lib" / f"python{interpreter.version}" / "site-packages"
    (home / "bin").mkdir(parents=True)
    system = f"/usr/bin/python{interpreter.version}"
    (home / "bin" / "python3").symlink_to(system)
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nexecutable = {system}\n"
    )
    with TemporaryDirectory() as folder:
        sources = Path(folder) / "pyrunner"
        copy_sources(sources)
        pip: list[str | Path] = [
            interpreter.program,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        output([*pip, "--no-compile", "--target", packages, requirement(sources)])
    shutil.rmtree(packages / "bin", ignore_errors=True)
    output([interpreter.program, "-m", "compileall", "-q", "-s", root, "-p", "/", packages])
    launcher = home / "bin" / "pyrunner"
    launcher.write_text(_LAUNCHER.format(home=HOME))
    launcher.chmod(0o755)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/pyrunner").symlink_to(f"../lib/{home.name}/bin/pyrunner")


def _service(root: Path) -> None:
    here = SOURCE / "packaging"
    units = root / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    shutil.copy(here / "systemd/pyrunner.service", units)
    for name in ("openrc", "runit"):
        shutil.copytree(here / name, root / "usr/share/pyrunner" / name)
    shutil.copy(here / "scripts/functions.sh", root / "usr/share/pyrunner")


def _documents(root: Path) -> None:
    target = root / "usr/share/doc/pyrunner"
    target.mkdir(parents=True)
    for name in _DOCUMENTS:
        one = SOURCE / name
        if one.is_dir():
            shutil.copytree(one, target / name)
        else:
            shutil.copy(one, target / name)
    (target / "LICENSE").rename(target / "copyright")


def _generated(root: Path, interpreter: Interpreter) -> None:
    """Write completion and manual page as the program itself makes them."""
    packages = root / HOME / "lib" / f"python{interpreter.version}" / "site-packages"
    # By its name: completion is for the program that is called so.
    start = "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = 'pyrunner'"
    start += "; from pyrunner.cli.main import main; main()"
    # Without site-packages of its own: what is missing in the tree has to be missed here.
    program: list[str | Path] = [interpreter.program, "-B", "-I", "-S", "-c", start, packages]
    for shell, place in _COMPLETIONS.items():
        _write(root / place, output([*program, "completion", shell]) + "\n")
    page = root / "usr/share/man/man1/pyrunner.1.gz"
    page.parent.mkdir(parents=True)
    page.write_bytes(gzip.compress(output([*program, "manual"]).encode() + b"\n", mtime=0))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def default_interpreter() -> Interpreter:
    """Return the distribution's own where there is one: the packages' programs start with it."""
    system = Path("/usr/bin/python3")
    return Interpreter(system if system.exists() else Path(sys.executable))
