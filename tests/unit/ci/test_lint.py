"""The cases of tests/cases/ci, and what holds for every graph (gitlab-ci-yml.md 8)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.ci.duration import seconds
from pyrunner.ci.files import Folder
from pyrunner.ci.graph import Need, Node, check_graph
from pyrunner.ci.lint import lint
from pyrunner.ci.locations import IncludeContext
from pyrunner.ci.matrix import expand_parallel
from pyrunner.ci.source import load_source
from pyrunner.errors import PipelineError

CASES = Path(__file__).resolve().parents[2] / "cases" / "ci"


def findings(text: str, root: Path = CASES) -> list[str]:
    """Return the messages about ``text``."""
    return [one.message for one in lint(text, "f.yml", IncludeContext(Folder(root), None, {}))]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("60", 60),
        ("1h30m", 5400),
        ("1 day 2 hours", 93_600),
        ("3:30", 210),
        ("1:02:03", 3723),
        ("1.5 hours", 5400),
        ("1 hours 30", 3630),
        ("2 hrs and 5 mins", 7500),
        ("1 mo", 2_592_000),
        ("0", None),
        ("soon", None),
        (60, None),
    ],
)
def test_durations(text: object, length: int | None) -> None:
    """Words and abbreviations mix; a bare number is seconds; zero and unknown words are none."""
    assert seconds(text) == length


def test_findings_have_places_and_hints() -> None:
    """Several findings are told at once, each at its line."""
    text = "a:\n  script: s\n  foo: 1\nb:\n  script: [{x: y}]\n  retry: 3\n"
    found = lint(text, "f.yml", IncludeContext(Folder(CASES), None, {}))
    assert [(one.position.line, one.position.column) for one in found] == [(3, 3), (5, 3), (6, 3)]
    assert all(one.position.file == "f.yml" for one in found)
    assert "quote" in found[1].hint


def test_needs_of_rules_must_be_jobs() -> None:
    """An unknown name in ``rules:needs`` is refused, a job of any stage is not (3.3)."""
    jobs = "{a: {script: s, stage: deploy}, j: {script: s, rules: [{needs: [%s]}]}}"
    assert findings(jobs % "zz") == ["j job: undefined need: zz"]
    assert findings(jobs % "a") == []


NAMES = st.sampled_from("abcdefgh")


@given(st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=4), max_size=8))
def test_an_accepted_graph_can_be_run(needs: dict[str, list[str]]) -> None:
    """What passes can be put in an order in which every job comes once, after all it needs."""
    nodes = {name: Node(name, "test", tuple(Need(one) for one in wanted)) for name, wanted in needs.items()}
    try:
        check_graph(["test"], nodes)
    except PipelineError:
        unknown = any(one not in needs for wanted in needs.values() for one in wanted)
        done: set[str] = set()
        while ready := {n for n, wanted in needs.items() if n not in done and set(wanted) <= done}:
            done |= ready
        assert unknown or done != set(needs), "refused although it can be run"
        return
    placed: list[str] = []
    while len(placed) < len(nodes):
        ready = {n for n, wanted in needs.items() if n not in placed and set(wanted) <= set(placed)}
        assert ready
        placed += sorted(ready)
    assert sorted(placed) == sorted(needs)


@given(st.text(alphabet="$AB()|&=!~/\"' null", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    """Reading an expression always ends with a truth or with the one error."""
    text = json.dumps({"a": {"script": "s", "rules": [{"if": text}]}})
    assert findings(text) in ([], ["jobs:a:rules:rule if invalid expression syntax"])


@given(st.lists(st.dictionaries(NAMES, st.lists(NAMES, max_size=3), min_size=1, max_size=3), max_size=3))
def test_matrix_names_are_unique(rows: list[dict[str, list[str]]]) -> None:
    """Each name of an expanded matrix comes once, with an index within the total."""
    source = load_source(json.dumps({"matrix": rows}), "f").content
    made = expand_parallel("j", source)
    assert len({one.name for one in made}) == len(made)
    assert all(1 <= one.index <= one.total for one in made)
