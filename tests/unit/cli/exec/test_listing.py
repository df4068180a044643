"""Pipelines shown without running."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyrunner.ci.plan import Pipeline
from pyrunner.cli.exec.listing import as_json, graph, reasons, tree
from tests.support.pipelines import compile_case

TEXT = """
stages: [build, test]
a: {stage: build, script: s, allow_failure: true}
b: {stage: build, script: s, when: delayed, start_in: 90 s}
c "q": {script: s, needs: [a]}
d: {script: s, when: manual}
e: {trigger: g/p}
out: {script: s, rules: [{if: $NO}]}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """A small pipeline."""
    (tmp_path / ".gitlab-ci.yml").write_text(TEXT)
    return compile_case(tmp_path, {})


def test_tree(pipeline: Pipeline) -> None:
    """Jobs below their stages, with what is special about them."""
    assert list(tree(pipeline)) == [
        "pipeline (push, main)",
        "├── build",
        "│   ├── a  (may fail)",
        "│   └── b  (delayed by 1 min 30 s)",
        "└── test",
        '    ├── c "q"  (needs a)',
        "    ├── d  (manual; may fail)",
        "    └── e  (triggers g/p)",
    ]


def test_json(pipeline: Pipeline) -> None:
    """All of it for programs, with the places in the file."""
    value = json.loads(as_json(pipeline))
    assert value["stages"] == ["build", "test"]
    job = next(one for one in value["jobs"] if one["name"] == 'c "q"')
    assert (job["needs"], job["line"], job["waits_for"]) == (["a"], 5, ["a"])
    assert [one["name"] for one in value["left_out"]] == ["out"]


def test_reasons(pipeline: Pipeline) -> None:
    """Every job is in or out, with the reason."""
    lines = list(reasons(pipeline, "since origin/main"))
    assert lines[0] == "push of main; changed files: since origin/main"
    assert [line.split()[:2] for line in lines if line.startswith("out")] == [["out", "out"]]
    assert sum(line.startswith("in ") for line in lines) == 5


def test_graph(pipeline: Pipeline) -> None:
    """Stages follow one another, needs have arrows of their own, names cannot break out of their quotes."""
    lines = [line.strip() for line in graph(pipeline)]
    assert "s0 --> s1" in lines
    assert "j0 --> j2" in lines
    assert 'j2["c #quot;q#quot;"]' in lines
