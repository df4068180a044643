"""extends and !reference (gitlab-ci-yml.md 1.6, 1.7)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.ci.extends import resolve_extends, resolve_references
from pyrunner.ci.source import load_source
from pyrunner.errors import PipelineError


def resolved(text: str) -> Any:
    """Return the tree after both steps."""
    return resolve_references(resolve_extends(load_source(text, "f").content))


def chain(length: int) -> str:
    """Return a job whose chain of bases has ``length`` levels."""
    return "j: {extends: .l1}\n" + "".join(
        f".l{n}: {{{f'extends: .l{n + 1}' if n < length else 'image: x'}}}\n" for n in range(1, length + 1)
    )


def test_two_parents() -> None:
    """Later bases win, mappings merge, null removes and an empty list replaces (C07)."""
    tree = resolved(
        ".a: {image: one, variables: {A: '1', B: '1'}, script: [a], cache: {paths: [x]}}\n"
        ".b: {variables: {B: '2'}, script: [b1, b2], tags: [t]}\n"
        "j: {extends: [.a, .b], variables: {C: '3'}, cache: ~, tags: []}\n"
    )
    job = dict(tree["j"])
    assert job["image"] == "one"
    assert job["variables"] == {"A": "1", "B": "2", "C": "3"}
    assert (job["script"], job["cache"], job["tags"]) == (["b1", "b2"], None, [])
    assert tree["j"].place("image").line == 1


def test_chains() -> None:
    """Eleven levels pass, twelve do not (C08)."""
    assert resolved(chain(11))["j"]["image"] == "x"
    with pytest.raises(PipelineError, match=r"\.l11: nesting too deep in `extends`"):
        resolved(chain(12))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".a: {extends: .b}\n.b: {extends: .a}", ".a: circular dependency detected in `extends`"),
        ("j: {extends: .nope}", "j: unknown keys in `extends` (.nope)"),
        (".a: x\nj: {extends: .a}", "j: invalid base hashes in `extends` (.a)"),
        (".a: {x: ~}\nj: {s: !reference [.a, x]}", '!reference [".a", "x"] could not be found'),
        (".b: {s: [!reference [.b, s]]}", '!reference [".b", "s"] is part of a circular chain'),
        ("j: {s: !reference .a}", '!reference ".a" is not valid'),
    ],
)
def test_errors(text: str, message: str) -> None:
    """GitLab's own words, with the line that is meant."""
    with pytest.raises(PipelineError) as caught:
        resolved(text)
    assert caught.value.message == message
    assert caught.value.line > 0


def test_references_are_followed() -> None:
    """A tag inside what a tag names is resolved as well (C06)."""
    tree = resolved(
        ".p: {prep: [p1, p2]}\n.m: {script: [m0, !reference [.p, prep]]}\n"
        "j: {script: [!reference [.m, script], last]}"
    )
    assert tree["j"]["script"] == [["m0", ["p1", "p2"]], "last"]


def test_expansion_of_references_is_bounded() -> None:
    """References that multiply end with an error instead of filling the memory."""
    lines = [".a0: {s: [x, x, x, x, x, x, x, x]}"]
    for n in range(1, 12):
        tags = ", ".join([f"!reference [.a{n - 1}, s]"] * 8)
        lines.append(f".a{n}: {{s: [{tags}]}}")
    with pytest.raises(PipelineError, match="too big"):
        resolved("\n".join(lines))


def test_a_very_long_chain_of_references_is_an_error() -> None:
    """What is deeper than Python's stack is refused as any other configuration that is too big."""
    lines = [f".a{n}: {{s: [!reference [.a{n + 1}, s]]}}" for n in range(2000)]
    with pytest.raises(PipelineError, match="too big"):
        resolved("\n".join([*lines, ".a2000: {s: [x]}"]))
