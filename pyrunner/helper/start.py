"""Started by path: the helper commands of this very installation, whatever the job's environment says.

A job may set ``PYTHONPATH``, or have a ``json.py`` in its folder: the stage scripts start the interpreter
isolated (``-I``), so neither counts. The package is taken from beside this file; its libraries may be there,
too, where the interpreter itself does not look (a checkout, ``pip install --user``).

They start it without ``site`` (``-S``), too: to look for libraries, and to run what these have put into
``.pth`` files, may take longer than all else. :class:`LateSite` makes up for that when one is wanted.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing itself takes longer to import than the version to tell
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

#: New objects between two collections: a process that lives for moments hardly needs any.
_RARELY = 50_000


class LateSite:
    """A finder that finds nothing: before the first module of a library is looked for, it runs ``site``.

    :param root: the folder on ``sys.path`` that comes after those of ``site``.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._done = False

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Leave it to the next finders, among them those that ``site`` has just added."""
        library, _, _ = name.partition(".")
        if not self._done and library != "pyrunner" and library not in sys.stdlib_module_names:
            self._done = True  # first: ``site`` looks for modules itself
            import site

            site.main()
            sys.path.remove(self._root)
            sys.path.append(self._root)
        return None


if __name__ == "__main__":
    gc.set_threshold(_RARELY)
    _root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path.insert(0, _root)
    import pyrunner  # noqa: F401 - from here on its modules are found, wherever the path leads

    sys.path.remove(_root)
    sys.path.append(_root)
    if sys.flags.no_site:
        sys.meta_path.insert(0, LateSite(_root))
    from pyrunner.helper.__main__ import main

    _code = main(sys.argv[1:], os.environ)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        pass  # nobody reads the output any more
    # Nothing is left to be tidied up: taking modules apart one by one costs milliseconds.
    os._exit(_code)
