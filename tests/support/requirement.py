"""What a test needs of its machine: skipped where it is missing, failed where it must not be.

``PYRUNNER_REQUIRE`` names, with commas, what must not be missing: ``docker``, ``debian``, ``sandbox``,
``prometheus``, ``rpmbuild``, ``makepkg``. Without it a machine that lost its engine would pass all tests.
"""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def lacking(what: str, reason: str) -> NoReturn:
    """Skip the test for want of something, or fail it where that is required."""
    if what in os.environ.get("PYRUNNER_REQUIRE", "").split(","):
        pytest.fail(f"{what} is required here: {reason}")
    pytest.skip(reason)


def program(name: str, package: str, *, required_as: str = "") -> str:
    """Return the path of a program; skip the test where there is none.

    :param package: Debian's name of what brings it.
    :param required_as: its word in ``PYRUNNER_REQUIRE``, the name itself unless given.
    """
    path = shutil.which(name)
    if path is None:
        lacking(required_as or name, f"needs {name} (Debian: apt install {package})")
    return path
