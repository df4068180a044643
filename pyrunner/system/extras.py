"""Libraries of the optional extras: imported where they are used, and missed with a clear text."""

from __future__ import annotations

import importlib
from typing import Any

from pyrunner.errors import RemoteCacheError


def load_extra(module: str, extra: str) -> Any:
    """Import ``module``, which the extra ``extra`` of this package brings.

    :raises RemoteCacheError: when it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = error.name or module
        raise RemoteCacheError(
            f"the library {missing.partition('.')[0]!r} is not installed: run pip install 'pyrunner[{extra}]'"
        ) from error
