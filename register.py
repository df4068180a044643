"""Register a runner from a plain checkout: ``python register.py …`` is ``pyrunner register …``."""

import os
import sys

from pyrunner.cli.main import run

if __name__ == "__main__":
    sys.exit(run(["register", *sys.argv[1:]], os.environ))
