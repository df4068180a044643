"""``python packaging/make_package.py [deb] [rpm] [zipapp] [image] [tree]``: packages under ``dist/``.

:mod:`staging` has what is in them; deb, rpm and single file only wrap it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from debian import make_deb
from image import make_context
from redhat import make_rpm
from single_file import make_single_file
from staging import SOURCE, BuildFailed, Interpreter, default_interpreter, stage

KINDS = ("deb", "rpm", "zipapp", "image")


def main() -> int:
    """Make what the command line asks for; return the exit code."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    interpreter = Interpreter(options.python) if options.python else default_interpreter()
    failed = 0
    try:
        with TemporaryDirectory() as folder:
            tree = options.stage or Path(folder) / "tree"
            if set(options.kinds) & {"deb", "rpm", "tree"} and not _filled(tree):
                stage(tree, interpreter)
            for kind in options.kinds:
                failed += not _made(kind, tree, interpreter, options)
    except BuildFailed as error:
        print(error, file=sys.stderr)  # noqa: T201 - the output of a program
        return 1
    return 1 if failed else 0


def _filled(tree: Path) -> bool:
    return tree.is_dir() and any(tree.iterdir())


def _made(kind: str, tree: Path, interpreter: Interpreter, options: argparse.Namespace) -> bool:
    """Make one package and name it; without the tool for it, say so: a machine has rarely all of them."""
    try:
        if kind == "deb":
            path = make_deb(tree, options.out, interpreter, options.release)
        elif kind == "rpm":
            path = make_rpm(tree, options.out, interpreter, options.release)
        elif kind == "zipapp":
            path = make_single_file(options.out, interpreter)
        elif kind == "image":
            path = make_context(options.out, options.release)
        else:
            path = tree
    except BuildFailed as error:
        print(f"{kind}: {error}", file=sys.stderr)  # noqa: T201
        return False
    print(path)  # noqa: T201
    return True


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make packages of pyrunner.")
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, "tree"], default=list(KINDS))
    parser.add_argument("--out", type=Path, default=SOURCE / "dist", help="folder of the packages")
    parser.add_argument("--release", default="1", help="release of the package of one version")
    parser.add_argument(
        "--python", type=Path, help="interpreter of the minor version that the package is for"
    )
    parser.add_argument("--stage", type=Path, help="make the tree here, or use the one that is here")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
