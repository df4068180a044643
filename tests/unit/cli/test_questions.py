"""Questions of register (config-and-commands.md 2.3)."""

from __future__ import annotations

import io

import pytest

from pyrunner.cli.failure import CommandPanicked
from pyrunner.cli.questions import Questions


def asked(answers: bytes, default: str = "", required: bool = True) -> tuple[str, str]:
    """Return the answer to one question and what was written."""
    output = io.StringIO()
    questions = Questions(io.BytesIO(answers), output, interactive=True)
    return questions.ask("flag", "Enter it:", default, required), output.getvalue()


def test_answer() -> None:
    """The question stands on its own line; the answer is stripped."""
    assert asked(b"  x y \r\n") == ("x y", "Enter it:\n")


def test_blank_takes_the_default() -> None:
    """The default is shown, and taken by a blank line."""
    assert asked(b"\n", "d") == ("d", "Enter it:\n[d]: ")


def test_required_is_asked_again() -> None:
    """A required answer without default is asked for until it comes."""
    assert asked(b"\n \nx\n") == ("x", "Enter it:\n" * 3)


def test_optional_passes() -> None:
    """An optional one is not."""
    assert asked(b"\n", required=False) == ("", "Enter it:\n")


def test_last_line_without_newline() -> None:
    """Input that ends without a newline is an answer."""
    assert asked(b"x")[0] == "x"


def test_end_of_input() -> None:
    """The end of the input points to --non-interactive."""
    with pytest.raises(CommandPanicked, match="Unexpected EOF"):
        asked(b"")


def test_non_interactive_asks_nothing() -> None:
    """Defaults are taken, nothing is written, and a missing value names its flag."""
    output = io.StringIO()
    questions = Questions(io.BytesIO(b"ignored\n"), output, interactive=False)
    assert questions.ask("url", "URL?", " u ") == "u"
    assert questions.ask("tag-list", "Tags?", required=False) == ""
    with pytest.raises(CommandPanicked, match="The url needs to be entered"):
        questions.ask("url", "URL?")
    assert output.getvalue() == ""
