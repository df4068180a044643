"""Edits of random files: what is not edited stays, byte for byte."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pyrunner.config.edit import append_runner, remove_runners, replace_token
from pyrunner.config.load import load_config
from pyrunner.config.model import RunnerConfig
from pyrunner.config.render import render_key, render_value

_WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\n", exclude_categories=["Cc"]), max_size=8
)
_VALUES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=10).map(render_value),
    st.integers(-5, 5).map(str),
    st.sampled_from(["'''\n[[runners]]\n# x\n'''", '"""\n\n# y\n"""', "[ # ]\n 1, ]", "{ a = 1 }"]),
)
_FREE = "\n# free"
_INDENTS = st.sampled_from(["", "  ", "\t"])


@st.composite
def _body(draw: st.DrawFn, prefix: str) -> str:
    """Return lines of unknown keys with comments; every line is the section's own."""
    lines = []
    for number in range(draw(st.integers(0, 3))):
        key = render_key(f"{prefix}{number}{draw(_WORDS)}")
        comment = draw(st.sampled_from(["", " # [[runners]]", " # 'x"]))
        lines.append(f"{draw(_INDENTS)}{key} = {draw(_VALUES)}{comment}\n")
        if draw(st.booleans()):
            lines.append(f"      # {draw(_WORDS)}\n")
    return "".join(lines)


@st.composite
def _section(draw: st.DrawFn, header: str, prefix: str) -> str:
    above = draw(st.sampled_from(["", "\n", "\n\n", "  \n"]))
    comment = "".join(f"# {word}\n" for word in draw(st.lists(_WORDS, max_size=2)))
    return f"{above}{comment}{draw(_INDENTS)}{header}{draw(st.sampled_from(['', ' # ]']))}\n" + draw(
        _body(prefix)
    )


@st.composite
def _files(draw: st.DrawFn) -> list[tuple[int, str]]:
    """Return pieces of a file, each with the entry it belongs to; -1: to none."""
    pieces = [(-1, draw(_body("g")))]
    for entry in range(draw(st.integers(0, 4))):
        header = draw(st.sampled_from(["[[runners]]", "[[ runners ]]", '[["runners"]]']))
        pieces.append((entry, draw(_section(f'{header}\nname = "n{entry}"\ntoken = "t{entry}" # $X', "k"))))
        for table in draw(st.lists(st.sampled_from(["xa", "xb", "docker"]), unique=True)):
            if draw(st.booleans()):
                pieces.append((-1, draw(_section(f"[other{entry}{table}]", "o"))))
            pieces.append((entry, draw(_section(f"[runners.{table}]", "s"))))
        if draw(st.booleans()):
            pieces.append((-1, f"{_FREE} {draw(_WORDS)}\n"))
    return [
        # without a blank line the comment would be the next section's
        (entry, f"\n{text}" if index and pieces[index - 1][1].startswith(_FREE) else text)
        for index, (entry, text) in enumerate(pieces)
    ]


def _join(pieces: list[tuple[int, str]]) -> str:
    return "".join(text for _, text in pieces)


@settings(deadline=None)
@given(_files(), st.sets(st.integers(0, 3)), st.booleans())
def test_removing_leaves_exactly_the_rest(
    pieces: list[tuple[int, str]], chosen: set[int], crlf: bool
) -> None:
    """What remains is the file without the pieces of the entries that were chosen."""
    text, rest = _join(pieces), _join([piece for piece in pieces if piece[0] not in chosen])
    if crlf:
        text, rest = text.replace("\n", "\r\n"), rest.replace("\n", "\r\n")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        path.write_bytes(text.encode())
        names = {f"n{entry}" for entry in chosen}
        remove_runners(path, lambda runner: runner.name in names, {})
        assert path.read_bytes().decode() == rest


@settings(deadline=None)
@given(_files(), _WORDS)
def test_appending_keeps_the_file_as_a_prefix(pieces: list[tuple[int, str]], name: str) -> None:
    """The old text comes first, unchanged; the new entry is the last one."""
    text = _join(pieces)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        path.write_bytes(text.encode())
        append_runner(path, RunnerConfig(name=name, token="new"))
        after = path.read_bytes().decode()
        assert after.startswith(text) or not text.strip()
        runners = load_config(path, {}).runners
        assert (runners[-1].name, runners[-1].token) == (name, "new")
        assert len(runners) == 1 + len({entry for entry, _ in pieces if entry >= 0})


@settings(deadline=None)
@given(_files(), st.integers(0, 3), _WORDS)
def test_new_token_changes_its_line_only(pieces: list[tuple[int, str]], entry: int, token: str) -> None:
    """The token's value is replaced and the two times are put below it; nothing else changes."""
    text = _join(pieces)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        path.write_bytes(text.encode())
        count = replace_token(path, lambda runner: runner.name == f"n{entry}", {}, token)
        old = f'token = "t{entry}" # $X\n'
        zero = "0001-01-01T00:00:00Z"
        line = f"token = {render_value(token)} # $X"
        header_comment = "" if f"{old[:-1]} # ]\n" not in text else " # ]"
        new = f"{line}{header_comment}\ntoken_obtained_at = {zero}\ntoken_expires_at = {zero}\n"
        expected = text.replace(old[:-1] + header_comment + "\n", new, 1) if count else text
        assert path.read_bytes().decode() == expected
