"""Gives a tree that a job has written to another user, following no link (docker-executor.md 8.4)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from pyrunner.errors import JobDirError

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def give_tree(base: Path, inside: str, uid: int, gid: int) -> None:
    """Give the folder ``inside`` of ``base``, and all below it, to a user; nothing where it is missing.

    Every step is taken from the descriptor of the one before, so that no link which is planted meanwhile
    leads out of it.

    :raises JobDirError: when a link stands on the way to the folder, or it leads out of ``base``.
    """
    folder = os.open(base, _FOLDER)
    try:
        for name in Path(inside).parts:
            if name == "..":
                raise JobDirError(f"{inside} is not in {base}")
            below = os.open(name, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        os.fchown(folder, uid, gid)
        for _, folders, files, descriptor in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
            for name in (*folders, *files):
                with contextlib.suppress(FileNotFoundError):
                    os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise JobDirError(f"cannot give {inside} to {uid}:{gid}: {error.strerror}") from error
    finally:
        os.close(folder)
