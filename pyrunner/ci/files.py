"""Where included files are read from: a folder that nothing leads out of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pyrunner.ci.source import MAX_BYTES
from pyrunner.errors import PipelineError


class Folder:
    """The files below ``root``: a working tree, or a copy of somebody else's files.

    The names come from YAML and are hostile: neither ``..`` nor a symbolic link leads outside.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def __truediv__(self, below: str) -> Folder:
        """Return the folder of that name within this one; its files cannot lie outside either."""
        inner = Folder(self._root)
        target = (self._root / below).resolve()
        inner._root = target if target.is_relative_to(self._root) else self._root / "\0"
        return inner

    def path(self, name: str) -> str:
        """Return where ``name`` is looked for."""
        return str(self._root / name)

    def read(self, name: str) -> str | None:
        """Return the text of a file; None when there is none.

        :raises PipelineError: when it is too big, or no text.
        """
        if "\0" in name or "\0" in str(self._root):
            return None
        target = (self._root / name).resolve()
        if not target.is_relative_to(self._root) or not target.is_file():
            return None
        try:
            if target.stat().st_size > MAX_BYTES:
                raise PipelineError("The parsed YAML is too big", name)
            return target.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise PipelineError("the file is not UTF-8", name) from None
        except OSError as error:
            raise PipelineError(f"cannot be read: {error.strerror}", name) from None

    def names(self) -> Iterator[str]:
        """Yield the paths of all files, git's own excepted."""
        for folder, folders, files in os.walk(self._root):
            folders[:] = sorted(one for one in folders if one != ".git")
            for one in sorted(files):
                yield os.path.relpath(os.path.join(folder, one), self._root)
