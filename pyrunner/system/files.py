"""Files that are whole or absent: atomic replacement, private modes, small JSON records."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pyrunner.errors import JobDirError


def write_atomic(path: Path, data: bytes, mode: int = 0o600, durable: bool = True) -> None:
    """Replace ``path`` with ``data`` so that a reader sees the old or the new content, never a part.

    :param durable: also survive a power cut (fsync of file and folder, about 1 ms).
    :raises OSError: as the system reports it; the old content is then untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        try:
            os.fchmod(fd, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_json(path: Path, value: object, durable: bool = True) -> None:
    """Replace ``path`` with ``value`` as JSON, mode 0600, atomically."""
    write_atomic(path, json.dumps(value, separators=(",", ":")).encode(), durable=durable)


def read_json(path: Path) -> Any:
    """Return the JSON value in ``path``.

    :raises FileNotFoundError: when there is no such file.
    :raises JobDirError: when it does not hold JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise JobDirError(f"{path}: not JSON: {error}") from None


def create_exclusive(path: Path, data: bytes) -> bool:
    """Create ``path`` with ``data``, mode 0600; False when it exists already.

    The name appears with its content: a reader that is woken by it never finds it empty.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            os.write(fd, data)
        finally:
            os.close(fd)
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def make_passable(folder: Path) -> None:
    """Make ``folder`` and its missing parents, mode 0755, whatever the umask.

    :raises JobDirError: when it cannot be made.
    """
    _make(folder, 0o755)


def make_private(folder: Path) -> None:
    """Make ``folder`` and its missing parents, mode 0700, whatever the umask.

    :raises JobDirError: when it cannot be made.
    """
    _make(folder, 0o700)


def _make(folder: Path, mode: int) -> None:
    missing: list[Path] = []
    current = folder
    while not current.exists():
        missing.append(current)
        current = current.parent
    try:
        for one in reversed(missing):
            one.mkdir(mode=mode, exist_ok=True)
            one.chmod(mode)
    except OSError as error:
        raise JobDirError(f"cannot make {error.filename}: {error.strerror}") from error
