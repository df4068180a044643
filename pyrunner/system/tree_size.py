"""How much room a tree takes that jobs have written: measured by ``du``, at the lowest priority.

It follows no link, stays on its file system, counts a file with several names once, and knows no limit of
depth; a process of its own keeps no thread of ours from working.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path
from typing import Final

_log: Final = logging.getLogger(__name__)

#: Seconds after which a tree counts as nothing rather than keeping all others waiting.
_PATIENCE: Final = 3600.0


def tree_size(folder: Path) -> int:
    """Return the bytes that a file or tree takes on the disk; what cannot be read counts as nothing."""
    command = ["du", "-s", "-x", "-k", "--", str(folder)]
    if shutil.which("nice") is not None:
        command = ["nice", "-n", "19", *command]
    try:
        answer = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.warning("%s cannot be measured: %s", folder, error)
        return 0
    # It fails for one unreadable folder, having counted all others.
    number = answer.stdout.split(maxsplit=1)[:1]
    return int(number[0]) * 1024 if number and number[0].isdigit() else 0
