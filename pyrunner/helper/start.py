"""Started by path: the helper commands of this very installation, whatever the job's environment says.

A job may set ``PYTHONPATH``, or have a ``json.py`` in its folder: the stage scripts start the interpreter
isolated (``-I``), so neither counts. The package is taken from beside this file; its libraries may be there,
too, where the interpreter itself does not look (a checkout, ``pip install --user``).
"""

import os
import sys

if __name__ == "__main__":
    _root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, _root)
    import pyrunner  # noqa: F401 - from here on its modules are found, wherever the path leads

    sys.path.remove(_root)
    sys.path.append(_root)
    from pyrunner.helper.__main__ import main

    sys.exit(main(sys.argv[1:], os.environ))
