"""Started by path: the helper commands of this very installation, whatever the job's environment says.

A job may set ``PYTHONPATH``, or have a ``json.py`` in its folder: the stage scripts start the interpreter
isolated (``-I``), so neither counts. The package is taken from beside this file; its libraries may be there,
too, where the interpreter itself does not look (a checkout, ``pip install --user``).
"""

import gc
import os
import sys
from contextlib import suppress

#: New objects between two collections: a process that lives for moments hardly needs any.
_RARELY = 50_000

if __name__ == "__main__":
    gc.set_threshold(_RARELY)
    _root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, _root)
    import pyrunner  # noqa: F401 - from here on its modules are found, wherever the path leads

    sys.path.remove(_root)
    sys.path.append(_root)
    from pyrunner.helper.__main__ import main

    _code = main(sys.argv[1:], os.environ)
    with suppress(OSError):  # nobody reads the output any more
        sys.stdout.flush()
        sys.stderr.flush()
    # Nothing is left to be tidied up: taking modules apart one by one costs milliseconds.
    os._exit(_code)
