"""The ``__main__.py`` beside our package inside the sandbox: runs one of our modules as a program.

The interpreter has put this file's folder first on the path, which only we can write.
"""

from __future__ import annotations

import runpy
import sys


def main() -> None:
    """Run the module that the first argument names, with the others as its arguments."""
    module = sys.argv[1]
    del sys.argv[1]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
