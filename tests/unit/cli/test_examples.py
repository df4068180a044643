"""Every command shows how it is called, and what it shows works."""

from __future__ import annotations

import importlib
import logging
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from pyrunner.cli.examples import EXAMPLES, Example
from pyrunner.cli.group import RunnerCommand
from pyrunner.cli.main import COMMANDS, run

_VARIABLE = re.compile(r"[A-Z_]+=")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_page_shows_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` of each command, internal ones included, ends in an example of pyrunner/cli/examples.py."""
    assert name in EXAMPLES, f"give {name} an example in pyrunner/cli/examples.py"
    assert run([name, "--help"], {"HOME": "/nonexistent"}) == 0
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert EXAMPLES[name][0].line in shown


CALLS = [(name, one) for name, examples in EXAMPLES.items() if name in COMMANDS for one in examples]


@pytest.mark.parametrize(("name", "example"), CALLS, ids=[one.line for _, one in CALLS])
def test_examples_call_what_exists(name: str, example: Example) -> None:
    """The command is the one it stands with, and knows each flag."""
    words = shlex.split(re.sub(r'^eval "\$\((.*)\)"$', r"\1", example.line))
    while words[0] == "sudo" or _VARIABLE.match(words[0]):
        words.pop(0)
    assert words[:2] == ["pyrunner", name]
    entry = COMMANDS[name]
    command = getattr(importlib.import_module(entry.module), entry.attribute)
    if isinstance(command, RunnerCommand):
        known = {one for flag in command.flags for one in flag.spelled}
    else:
        known = {one for option in command.params if isinstance(option, click.Option) for one in option.opts}
    if not known:  # the helper commands read their arguments themselves
        return
    own = words[2 : words.index("|") if "|" in words else None]
    assert {one for one in own if one.startswith("--")} <= known


def test_no_example_without_a_command() -> None:
    """Examples of commands that are gone go, too."""
    assert set(EXAMPLES) <= set(COMMANDS)
