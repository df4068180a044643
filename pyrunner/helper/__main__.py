"""``python -m pyrunner.helper <command>``: the helper commands without the rest of the command line."""

from __future__ import annotations

import os
import sys

from pyrunner import __version__

TYPE_CHECKING = False  # typing itself takes longer to import than the version to tell
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command line and return its exit code."""
    if list(arguments) == ["--version"]:
        sys.stdout.write(f"{__version__}\n")
        return 0  # every stage asks this first: nothing else is imported for it
    from pyrunner.helper.commands import COMMANDS, run_command
    from pyrunner.system.logs import configure_logging

    if not arguments or arguments[0] not in COMMANDS:
        sys.stderr.write(f"usage: python -m pyrunner.helper {{{','.join(COMMANDS)}}} [flags]\n")
        return 2
    configure_logging()
    return run_command(arguments[0], arguments[1:], environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
