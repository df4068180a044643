"""How stage scripts call the helper: by which words, and only where it is there (job-execution.md 5.8)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyrunner
from pyrunner.build.context import BuildContext
from pyrunner.shells.bash import BashWriter
from pyrunner.system.helper_words import helper_words


def helper_command(context: BuildContext) -> tuple[str, ...]:
    """Return the words in front of a helper command's name.

    On this host it is our own interpreter, isolated from what the job's variables say to Python, with UTF-8
    names whatever its locale.
    """
    if context.traits.helper_command:
        return context.traits.helper_command
    return helper_words(sys.executable, Path(pyrunner.__file__).resolve().parent)


@contextmanager
def guarded(writer: BashWriter, context: BuildContext, action: str) -> Iterator[tuple[str, ...]]:
    """Run what is written inside only where the helper can be started; yields its words.

    :param action: what is disabled without it, e.g. ``Extracting cache``.
    """
    words = helper_command(context)
    with writer.if_command(*words, "--version"):
        yield words
        writer.otherwise()
        writer.warning(f"Missing {' '.join(words)}. {action} is disabled.")
