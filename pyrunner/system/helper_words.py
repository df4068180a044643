"""How the helper of an installation is started; see :mod:`pyrunner.helper.start` for why so."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: Isolated from the job's folder and variables, without ``site`` until a library is wanted, UTF-8 file names.
_FLAGS: Final = ("-I", "-S", "-X", "utf8")


def helper_words(interpreter: str, package: Path) -> tuple[str, ...]:
    """Return the words in front of a helper command's name.

    :param package: the folder ``pyrunner``.
    """
    return (interpreter, *_FLAGS, str(package / "helper" / "start.py"))
