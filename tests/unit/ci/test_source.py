"""YAML as GitLab loads it (gitlab-ci-yml.md 1.2, 1.3)."""

from __future__ import annotations

import pytest

from pyrunner.ci.source import load_source
from pyrunner.ci.tree import Reference
from pyrunner.errors import PipelineError


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0644", 420),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("0o644", "0o644"),
        ("08", "08"),
        ("1e3", "1e3"),
        ("12:30", 45000),
        ("1:2:3", 3723),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1_0.5", 10.5),
        ("-7", -7),
        ("yes", True),
        ("OFF", False),
        ("y", "y"),
        ("n", "n"),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        (":word", "word"),
        ("!foo x", "x"),
        ("!!binary aGk=", "hi"),
        ("!!str 12", "12"),
        ("1,000", 1000),
    ],
)
def test_scalars(written: str, value: object) -> None:
    """Plain scalars take their YAML 1.1 type; quoted and tagged ones stay text."""
    got = load_source(f"a: {written}", "f").content["a"]
    assert (type(got), got) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("b: &b {i: alpine}\na: {i: debian, <<: *b}", {"i": "alpine"}),
        ("b: &b {i: alpine}\na: {<<: *b, i: debian}", {"i": "debian"}),
        ("b: &b {i: 1}\nc: &c {i: 2}\na: {<<: [*b, *c]}", {"i": 1}),
        ("b: &b {i: 1}\nc: &c {i: 2}\na: {<<: *b, <<: *c}", {"i": 2}),
        ("a: {i: 1}\na: {k: 2}", {"k": 2}),
    ],
)
def test_merge_keys(text: str, merged: object) -> None:
    """``<<`` acts where it stands, the first of a list wins, the last of two equal keys wins."""
    assert load_source(text, "f").content["a"] == merged


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("a: 2024-01-01", "Tried to load unspecified class: Date", 1, 4),
        ("a: 2024-01-01 10:00:00", "Tried to load unspecified class: Time", 1, 4),
        ("a: 1\nb: *nope", "Unknown alias: nope", 2, 4),
        ("- a", "Invalid configuration format", 1, 1),
        ("a: &x [*x]", "The parsed YAML is too big", 1, 4),
        ("a: " + "[" * 120 + "]" * 120, "The parsed YAML is too big", 1, 103),
    ],
)
def test_errors_have_a_position(text: str, message: str, line: int, column: int) -> None:
    """What does not load is refused with GitLab's words at its line and column."""
    with pytest.raises(PipelineError) as caught:
        load_source(text, "f.yml")
    assert (caught.value.message, caught.value.line, caught.value.column) == (message, line, column)


def test_broken_syntax() -> None:
    """A syntax error ends with its line and column, also in a second document."""
    with pytest.raises(PipelineError, match=r"\(<unknown>\): .* at line 4 column \d+") as caught:
        load_source("spec: {}\n---\na:\n\t- b: [", "f")
    assert caught.value.line == 4


def test_a_bomb_of_aliases_is_refused() -> None:
    """Aliases count as often as they are used, and are not written out to be counted."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 12)]
    with pytest.raises(PipelineError, match="too big"):
        load_source("\n".join(lines), "f")


def test_positions_survive() -> None:
    """Each key and item knows its line, counted from the top of the file, whatever the document."""
    source = load_source("spec: {}\n---\na:\n  script:\n    - one\n", "f")
    assert source.header == {"spec": {}}
    assert source.content["a"].place("script")[1:] == (4, 3)
    assert source.content["a"]["script"].place(0)[1:] == (5, 7)


def test_documents() -> None:
    """Without ``spec`` the first document is used; a leading divider is fine; a comment divides nothing."""
    assert load_source("---\na: 1\n---\nb: 2\n", "f").content == {"a": 1}
    assert load_source("a: |\n  ---x\n", "f").content == {"a": "---x\n"}
    assert load_source("# only\n", "f").content == {}


def test_references() -> None:
    """``!reference`` is kept as a value; on anything but a list of strings it is not valid."""
    content = load_source("a: !reference [.b, c]\nd: !reference x\ne: !reference [1]", "f").content
    assert isinstance(content["a"], Reference)
    assert content["a"].path == (".b", "c")
    assert [content[key].valid for key in "ade"] == [True, False, False]


@pytest.mark.parametrize("text", ["[" * 500_000, "- " * 100_000, "{a: " * 100_000])
def test_depth_is_refused_before_it_can_crash(text: str) -> None:
    """Nesting that would exhaust the stack of the C library is an error as any other."""
    with pytest.raises(PipelineError, match="too big"):
        load_source(text, "f")


def test_control_characters_have_a_place() -> None:
    """What YAML does not allow at all is told with line and column, as any other mistake."""
    with pytest.raises(PipelineError) as caught:
        load_source('a: {script: x}\nb: "\x1b"\n', "f.yml")
    assert (caught.value.file, caught.value.line, caught.value.column) == ("f.yml", 2, 5)
    assert caught.value.message == "(<unknown>): control characters are not allowed at line 2 column 5"
