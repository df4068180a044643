"""Writes stage scripts for bash and POSIX shells (job-execution.md 5.2, 5.3).

The body is one quoted string given to ``eval``: a syntax error in the user's script is then that
stage's failure and not the shell's, and the script does not read its own source from stdin.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pyrunner.protocol.variables import Variable
from pyrunner.shells.quoting import (
    Expanded,
    Quote,
    Word,
    double_quoted,
    encode,
    quote_ansi_c,
    quote_posix,
    quote_word,
)

GREEN: Final = "\033[32;1m"
YELLOW: Final = "\033[0;33m"
RESET: Final = "\033[0;m"
_CLEAR: Final = "\033[0K"
_TERM_TRAP: Final = "trap 'exit 1' TERM"
_NOW: Final = "$(awk 'BEGIN{srand(); print srand()}')"
_CHECK: Final = "_runner_exit_code=$?; if [ $_runner_exit_code -ne 0 ]; then exit $_runner_exit_code; fi"


@dataclass(frozen=True, slots=True)
class ShellOptions:
    """How scripts are written for one job."""

    shell: str = "bash"
    #: ``CI_DEBUG_TRACE``.
    xtrace: bool = False
    #: ``FF_POSIXLY_CORRECT_ESCAPES``.
    posix_quoting: bool = False
    #: ``FF_ENABLE_BASH_EXIT_CODE_CHECK``.
    check_exit_codes: bool = False
    #: ``FF_USE_LEGACY_BASH_EVAL``.
    legacy_eval: bool = False
    #: ``FF_SCRIPT_SECTIONS``, and the coordinator shows sections.
    script_sections: bool = False


class BashWriter:
    """Collects the lines of one stage script.

    :param temporary_dir: the job's temp dir; a relative one is taken from the folder the script starts in.
    """

    def __init__(self, temporary_dir: str, options: ShellOptions) -> None:
        self.options = options
        self._temporary_dir = temporary_dir
        self._quote: Quote = quote_posix if options.posix_quoting else quote_ansi_c
        self._lines: list[str] = []
        self._indent = 0

    # ---- lines and commands

    def line(self, text: str) -> None:
        """Add a line as it is."""
        self._lines.append("  " * self._indent + text)

    def command(self, *words: Word) -> None:
        """Run a command; its failure ends the stage."""
        self.line(self._command(words))
        self._check()

    def pipe_best_effort(self, text: str, *words: Word) -> None:
        """Run a command with ``text`` on its stdin; its failure ends nothing."""
        self.line(f"{self._command(('echo', text))} | {self._command(words)} || true")

    def _command(self, words: tuple[Word, ...]) -> str:
        return " ".join(self.word(one) for one in words)

    def word(self, word: Word) -> str:
        """Return ``word`` quoted as this script does."""
        return quote_word(word, self._quote)

    def _check(self) -> None:
        if self.options.check_exit_codes:
            self.line(_CHECK)

    # ---- messages

    def notice(self, text: str) -> None:
        """Print a green line."""
        self._echo(f"{GREEN}{text}{RESET}")

    def warning(self, text: str) -> None:
        """Print a yellow line."""
        self._echo(f"{YELLOW}{text}{RESET}")

    def message(self, text: str) -> None:
        """Print an uncoloured line."""
        self._echo(RESET + text)

    def empty_line(self) -> None:
        """Print an empty line."""
        self.line("echo")

    def echo_expanded(self, before: str, command: str, after: str) -> None:
        """Print a line with the output of ``command`` in it."""
        self.line(f'echo {double_quoted(before)}"$({command})"{double_quoted(after)}')

    def _echo(self, text: str) -> None:
        self.line("echo " + self._quote(text))

    # ---- variables

    def temporary_file(self, name: str) -> Word:
        """Return the path of a file in the job's temp dir, absolute when the script runs."""
        return self.absolute(posixpath.join(self._temporary_dir, name))

    def absolute(self, path: str) -> Word:
        """Return ``path``, below the script's folder when it is relative."""
        if posixpath.isabs(path):
            return path
        return Expanded("PWD", "/" + posixpath.normpath(path))

    def variable(self, variable: Variable) -> None:
        """Export a variable; the content of a file variable is written to its file first."""
        if not variable.file:
            self.export(variable.key, variable.value)
            return
        path = self.word(self.temporary_file(variable.key))
        self._make_temporary_dir()
        self.line(f"printf '%s' {self._quote(variable.value)} > {path}")
        self.line(f"export {self._quote(variable.key)}={path}")

    def export(self, key: str, value: Word) -> None:
        """Export ``key``; a relative path into the temp dir is made absolute."""
        if isinstance(value, str) and value.startswith(self._temporary_dir):
            value = self.absolute(value)
        self.line(f"export {self._quote(key)}={self.word(value)}")

    def source_environment(self, file: Word) -> None:
        """Export each line of ``file`` as it stands; nothing in it is evaluated."""
        path = self.word(file)
        self._make_temporary_dir()
        self.line(f": >> {path}")
        self.line(f'while read -r line; do export "$line"; done < {path}')

    def _make_temporary_dir(self) -> None:
        # A test costs nothing, a process a millisecond: a job's scripts ask this a dozen times.
        folder = self.word(self._temporary_dir)
        self.line(f"[ -d {folder} ] || mkdir -p {folder}")

    # ---- conditions

    @contextmanager
    def if_directory(self, path: Word) -> Iterator[None]:
        """Run what is written inside only when ``path`` is a folder."""
        with self._if(f"[ -d {self.word(path)} ]"):
            yield

    @contextmanager
    def if_file(self, path: Word) -> Iterator[None]:
        """Run what is written inside only when ``path`` exists."""
        with self._if(f"[ -e {self.word(path)} ]"):
            yield

    @contextmanager
    def if_readable(self, path: Word) -> Iterator[None]:
        """Run what is written inside only when ``path`` can be read."""
        with self._if(f"[ -r {self.word(path)} ]"):
            yield

    @contextmanager
    def if_command(self, *words: Word, output: bool = False) -> Iterator[None]:
        """Run what is written inside only when the command succeeds.

        :param output: the command's output goes to the trace.
        """
        with self._if(self._command(words) + ("" if output else " >/dev/null 2>&1")):
            yield

    @contextmanager
    def if_output(self, *words: Word) -> Iterator[None]:
        """Run what is written inside only when the command prints anything, errors included."""
        with self._if(f'[ -n "$({self._command(words)} 2>&1 | head -c 1)" ]'):
            yield

    @contextmanager
    def if_git_at_least(self, version: str) -> Iterator[None]:
        """Run what is written inside only with this version of git or a newer one."""
        self.line("""current_ver="$(git version|cut -d ' ' -f 3)\"""")
        self.line(f'required_ver="{version}"')
        order = "sort -t '.' -k 1,1n -k 2,2n -k 3,3n | sed -n '1p'"
        self.line(f"""minimum_ver="$(printf '%s\\n%s' "$required_ver" "$current_ver" | {order})\"""")
        with self._if('[ "$minimum_ver" = "$required_ver" ]'):
            self.message(f'Git version at least "{version}"')
            yield

    @contextmanager
    def _if(self, condition: str) -> Iterator[None]:
        self.line(f"if {condition}; then")
        self._indent += 1
        yield
        self._indent -= 1
        self.line("fi")

    def otherwise(self) -> None:
        """Begin the other branch of the innermost condition."""
        self._indent -= 1
        self.line("else")
        self._indent += 1

    # ---- files

    def change_directory(self, path: str) -> None:
        """Go to a folder."""
        self.command("cd", path)

    def make_directory(self, path: str) -> None:
        """Make a folder and its parents."""
        self.command("mkdir", "-p", path)

    def remove_directory(self, path: Word) -> None:
        """Remove a folder, also where parts of it are not writable."""
        with self.if_directory(path):
            self.command("chmod", "-R", "u+rwX", path)
        word = self.word(path)
        with self._if(f"[ -e {word} ] || [ -L {word} ]"):
            self.command("rm", "-r", "-f", path)

    def append_lines(self, path: Word, *lines: str) -> None:
        """Append lines to a file without starting a process."""
        self.line(f"printf '%s\\n' {self._command(lines)} >> {self.word(path)}")
        self._check()

    def remove_file(self, path: Word) -> None:
        """Remove a file that may be missing, a dangling link included; nothing is started when it is."""
        word = self.word(path)
        with self._if(f"[ -e {word} ] || [ -L {word} ]"):
            self.command("rm", "-f", path)

    def remove_files_below(self, folder: str, pattern: str) -> None:
        """Remove every file below ``folder`` whose name matches."""
        with self.if_directory(folder):
            self._find(f"{self.word(folder)} -name {self._quote(pattern)} -type f -exec rm -f {{}}")

    def remove_directories_below(self, folder: str, pattern: str) -> None:
        """Remove every folder below ``folder`` whose name matches."""
        with self.if_directory(folder):
            self._find(
                f"{self.word(folder)} -name {self._quote(pattern)} -type d -depth -exec rm -rf -- {{}}"
            )

    def _find(self, words: str) -> None:
        """Run ``find -exec … +`` where it exists, with ``;`` where it does not."""
        self.line(f"find {words} + 2>/dev/null || find {words} ';'")

    # ---- the user's commands

    def user_commands(self, prefix: str, commands: list[str]) -> None:
        """Echo and run each command (5.5).

        :param prefix: names the section of a multi-line command: ``script_step``, …
        """
        for index, one in enumerate(commands):
            command = one.strip()
            first, newline, _ = command.partition("\n")
            if not command:
                self.empty_line()
            elif not newline:
                self.notice(f"$ {command}")
            elif self.options.script_sections:
                self._section(f"section_{prefix}_{index}", f"$ {command}")
            else:
                self.notice(f"$ {first} # collapsed multi-line command")
            self.line(command)
            self._check()

    def _section(self, name: str, text: str) -> None:
        options = self._quote("[hide_duration=true,collapsed=true]\r" + _CLEAR)
        shown = self._quote(f"{GREEN}{text}{RESET}")
        self.line(f"printf '%b\\n' section_start:{_NOW}:{name}{options}{shown}")
        self.line(f"printf '%b\\n' section_end:{_NOW}:{name}{self._quote(chr(13) + _CLEAR)}")

    # ---- the script

    def text(self) -> str:
        """Return the lines alone, for a shell that goes on after them."""
        return "".join(f"{one}\n" for one in self._lines)

    def finish(self) -> str:
        """Return the whole script."""
        body = self._quote("".join(f"{one}\n" for one in self._lines))
        subshell = f"({_TERM_TRAP}; eval {body}) < /dev/null"
        run = f": | eval {body}" if self.options.legacy_eval else subshell
        lines = [
            f"#!/usr/bin/env {self.options.shell}",
            "",
            _TERM_TRAP,
            "",
            *(["set -o xtrace"] if self.options.xtrace else []),
            'case "$(set -o)" in *"pipefail"*) set -o pipefail;; esac; set -o errexit',
            "set +o noclobber",
            run,
            "exit 0",
            "",
        ]
        return encode("\n".join(lines)).decode()
