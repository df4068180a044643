"""Asking for settings, or taking them as they are (config-and-commands.md 2.3).

Questions go to stderr, each on its own line, then ``[default]: `` where there is a default; answers
come from standard input, a line each.
"""

from __future__ import annotations

from typing import BinaryIO, TextIO

from pyrunner.cli.failure import CommandPanicked


class Questions:
    """Asks on ``output``, reads from ``answers``.

    :param interactive: False takes every default and fails where there is none.
    """

    def __init__(self, answers: BinaryIO, output: TextIO, interactive: bool) -> None:
        self._answers = answers
        self._output = output
        self.interactive = interactive

    def ask(self, flag: str, text: str, default: str = "", required: bool = True) -> str:
        """Return the answer to ``text``; a blank one takes ``default``.

        :param flag: the flag that would have given the value, for the message that it is missing.
        :param required: ask again while there is nothing.
        :raises CommandPanicked: at the end of the input, or without questions when nothing is there.
        """
        default = default.strip()
        if not self.interactive:
            if required and not default:
                raise CommandPanicked(f"The {flag} needs to be entered")
            return default
        while True:
            answer = self._once(text, default) or default
            if answer or not required:
                return answer

    def _once(self, text: str, default: str) -> str:
        self._output.write(f"{text}\n" + (f"[{default}]: " if default else ""))
        self._output.flush()
        line = self._answers.readline()
        if not line:
            raise CommandPanicked("Unexpected EOF. Did you mean to use --non-interactive?")
        return line.decode("utf-8", "surrogateescape").strip()
