"""A hostile neighbour: exchanges folders and files of a tree for links, as fast as it can.

Run as ``python swapper.py <canary folder> <path> ...``: each path is exchanged for a link to what has its
name in the canary folder, and back. Paths with ``*`` are looked up anew each time. Says ``swapping`` once it
has begun, ends when its input does.
"""

from __future__ import annotations

import ctypes
import glob
import os
import select
import sys
from contextlib import suppress

_AT_FDCWD = -100
_EXCHANGE = 2


def main() -> None:
    """Swap until the input ends."""
    canary, paths = sys.argv[1], sys.argv[2:]
    rename = ctypes.CDLL(None, use_errno=True).renameat2
    said = False
    while not select.select([sys.stdin], [], [], 0)[0]:
        for pattern in paths:
            for path in glob.glob(pattern, include_hidden=True) if "*" in pattern else [pattern]:
                link = f"{path}.swap"
                with suppress(OSError):
                    os.symlink(os.path.join(canary, os.path.basename(path)), link)
                for _ in range(2):
                    rename(_AT_FDCWD, os.fsencode(path), _AT_FDCWD, os.fsencode(link), _EXCHANGE)
        if not said:
            said = True
            sys.stdout.write("swapping\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
