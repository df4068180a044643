"""Includes and inputs (gitlab-ci-yml.md 1.3 to 1.5 and 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyrunner.ci.files import Folder
from pyrunner.ci.include import load_configuration
from pyrunner.ci.locations import IncludeContext
from pyrunner.errors import PipelineError

HEADER = "spec: {inputs: {e: {options: [dev, prod]}}}\n---\nj: {script: '%s'}"
TYPED = """
spec: {inputs: {n: {type: number}, list: {type: array}, flag: {type: boolean, default: false},
  who: {default: world}}}
---
"job-$[[ inputs.who ]]":
  parallel: $[[ inputs.n ]]
  interruptible: $[[ inputs.flag ]]
  script: [first, "$[[ inputs.list ]]", "echo $[[ inputs.who | truncate(0,3) ]] $[[ inputs.list ]]"]
"""


def load(
    root: Path,
    text: str,
    files: dict[str, str] | None = None,
    inputs: dict[str, Any] | None = None,
    **more: Any,
) -> Any:
    """Return the merged tree of ``text`` in a repository with ``files``."""
    for name, content in (files or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    context = IncludeContext(
        Folder(root), more.get("elsewhere"), more.get("variables", {}), more.get("changed")
    )
    return load_configuration(text, ".gitlab-ci.yml", inputs or {}, context)


def test_typed_inputs(tmp_path: Path) -> None:
    """A whole block keeps its type, a list is spliced, inside text it is rendered (C04)."""
    tree = load(tmp_path, TYPED, inputs={"n": "3", "list": ["p", "q"], "flag": "true"})
    job = tree["job-world"]
    assert (job["parallel"], job["interruptible"]) == (3, True)
    assert job["script"] == ["first", "p", "q", 'echo wor ["p", "q"]']


@pytest.mark.parametrize(
    ("body", "inputs", "message"),
    [
        ("$[[ inputs.e ]]", {}, "`e` input: required value has not been provided"),
        (
            "$[[ inputs.e ]]",
            {"e": "qa"},
            "`e` input: `qa` cannot be used because it is not in the list of allowed options",
        ),
        ("$[[ inputs.w ]]", {"e": "dev"}, "unknown interpolation provided: `w` in `inputs.w`"),
        (
            "$[[ inputs.e | upper ]]",
            {"e": "dev"},
            "no function matching `upper`: check that the function name, arguments, and types are correct",
        ),
        ("x", {"e": "dev", "z": 1}, "unknown input arguments: z"),
        (
            "$[[ foo ]]",
            {"e": "dev"},
            "invalid pattern used for interpolation. valid pattern is $[[ inputs.input ]]",
        ),
        ("$[[ inputs.e[7] ]]", {"e": "dev"}, "array index 7 out of bounds (size: 0)"),
    ],
)
def test_complaints_about_inputs(tmp_path: Path, body: str, inputs: dict[str, Any], message: str) -> None:
    """Values and blocks that do not fit are refused in GitLab's words (C05)."""
    with pytest.raises(PipelineError) as caught:
        load(tmp_path, HEADER % body, inputs=inputs)
    assert caught.value.message == message
    assert caught.value.line > 0


def test_without_a_header_blocks_are_text(tmp_path: Path) -> None:
    """Interpolation happens only in files with a header (C05)."""
    assert load(tmp_path, "j: {script: 'echo $[[ inputs.e ]]'}")["j"]["script"] == "echo $[[ inputs.e ]]"


def test_layers(tmp_path: Path) -> None:
    """Included files lie beneath, in order, and their jobs come first (C10)."""
    tree = load(
        tmp_path,
        "include: [two.yml]\nown: {script: s}\nx: {variables: {B: own}}",
        {
            "two.yml": "include: one.yml\nx: {script: [inc2]}",
            "one.yml": "x: {script: [inc1], variables: {A: '1', B: '1'}, tags: [t1]}\ny: {script: s}",
        },
    )
    assert list(tree) == ["x", "y", "own"]
    assert tree["x"] == {"script": ["inc2"], "variables": {"A": "1", "B": "own"}, "tags": ["t1"]}
    assert tree["x"].place("script").file == "two.yml"


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("absent.yml", "Local file `absent.yml` does not exist!"),
        ("{local: absent.yml, rules: [{if: $NO}]}", "include config should be an array or a string"),
        ("loop.yml", "Maximum of 150 nested includes are allowed!"),
        ("x.txt", "Included file `x.txt` does not have YAML extension!"),
        ("empty.yml", "Local file `empty.yml` is empty!"),
        ("comment.yml", "Included file `comment.yml` does not have valid YAML syntax!"),
        ("../outside.yml", "Local file `../outside.yml` does not exist!"),
        ("[1]", "Each include must be a hash or a string"),
        (
            "{foo: a}",
            '`{"foo":"a"}` does not have a valid subkey for include. Valid subkeys are: `local`, `project`, '
            "`remote`, `template`, `artifact`, `component`",
        ),
        ("{project: g/p}", "include:include config must specify the file where to fetch the config from"),
        ("[{local: a.yml, rules: [{when: manual}]}]", "include:rule when unknown value: manual"),
    ],
)
def test_refused_includes(tmp_path: Path, include: str, message: str) -> None:
    """Each refusal has GitLab's words (C11, 2.4)."""
    files = {"loop.yml": "include: loop.yml", "empty.yml": "", "comment.yml": "# x"}
    with pytest.raises(PipelineError) as caught:
        load(tmp_path, f"include: {include}\na: {{script: s}}", files)
    assert caught.value.message.rpartition("`loop.yml`: ")[2] == message


def test_left_out_includes_may_be_missing(tmp_path: Path) -> None:
    """What its rules leave out is never read, and a wildcard may match nothing (C11)."""
    text = "include: [{local: absent.yml, rules: [{if: $NO}]}, {local: 'ci/*.yml'}]\na: {script: s}"
    assert list(load(tmp_path, text)) == ["a"]


def test_one_file_twice(tmp_path: Path) -> None:
    """A file may be included with different inputs (C12)."""
    tree = load(
        tmp_path,
        "include: [{local: t.yml, inputs: {name: alpha}}, {local: t.yml, inputs: {name: beta, flag: false}}]",
        {
            "t.yml": "spec: {inputs: {name: {}, flag: {type: boolean, default: true}}}\n---\n"
            '"$[[ inputs.name ]]": {interruptible: "$[[ inputs.flag ]]", script: s}'
        },
    )
    assert {name: job["interruptible"] for name, job in tree.items()} == {"alpha": True, "beta": False}


def test_rules_and_wildcards(tmp_path: Path) -> None:
    """``if``, ``exists`` and ``changes`` choose; a wildcard takes the files in path order."""
    files = {"ci/b.yml": "b: {script: s}", "ci/a.yml": "a: {script: s}", "c.yml": "c: {script: s}"}
    text = (
        "include: [{local: 'ci/*.yml', rules: [{if: $GO, exists: ['*.yml'], changes: ['src/**/*']}]}]\nz: {}"
    )
    changed = frozenset({"src/x/y"})
    assert list(load(tmp_path, text, files, variables={"GO": "1"}, changed=changed)) == ["a", "b", "z"]
    assert list(load(tmp_path, text, files, variables={"GO": "1"}, changed=frozenset())) == ["z"]


def test_files_from_elsewhere(tmp_path: Path) -> None:
    """Other projects are read from the user's folder; without one a hint says how."""
    base = tmp_path / "elsewhere"
    (base / "project/g/p/HEAD").mkdir(parents=True)
    (base / "project/g/p/HEAD/a.yml").write_text("include: b.yml\na: {script: s}")
    (base / "project/g/p/HEAD/b.yml").write_text("b: {script: s}")
    text = "include: [{project: g/p, file: a.yml}]\n"
    assert list(load(tmp_path, text, elsewhere=Folder(base))) == ["b", "a"]
    with pytest.raises(PipelineError, match="is not available offline") as caught:
        load(tmp_path, text)
    assert "project/g/p/HEAD/a.yml" in caught.value.hint


def test_null_include_is_none(tmp_path: Path) -> None:
    """An ``include`` without a value includes nothing."""
    assert list(load(tmp_path, "include:\na: {script: s}")) == ["a"]


def test_structured_input(tmp_path: Path) -> None:
    """An array given as JSON text is as good as one written in YAML."""
    text = 'spec: {inputs: {r: {type: array}}}\n---\na: {script: s, rules: "$[[ inputs.r ]]"}'
    tree = load(tmp_path, text, inputs={"r": '[{"when": "never"}]'})
    assert tree["a"]["rules"][0].place("when") is not None
    assert tree["a"]["rules"] == [{"when": "never"}]


def test_integrity(tmp_path: Path) -> None:
    """A remote file that is not the promised one is refused."""
    (tmp_path / "remote/h").mkdir(parents=True)
    (tmp_path / "remote/h/a.yml").write_text("a: {script: s}")
    text = "include: [{remote: 'https://h/a.yml', integrity: sha256-AAAA}]"
    with pytest.raises(PipelineError, match="failed integrity check!"):
        load(tmp_path, text, elsewhere=Folder(tmp_path))


SIZES = """
spec:
  inputs:
    cloud: {}
    size:
      rules:
        - {if: '$[[ inputs.cloud ]] == "aws"', options: [small, large], default: small}
        - {options: [tiny], default: tiny}
---
j: {script: "$[[ inputs.size ]]"}
"""


@pytest.mark.parametrize(
    ("inputs", "size"),
    [({"cloud": "aws"}, "small"), ({"cloud": "aws", "size": "large"}, "large"), ({"cloud": "x"}, "tiny")],
)
def test_rules_of_inputs(tmp_path: Path, inputs: dict[str, str], size: str) -> None:
    """Options and default come from the first rule whose condition on other inputs holds (1.4)."""
    assert load(tmp_path, SIZES, inputs=inputs)["j"]["script"] == size


def test_rules_of_inputs_limit_the_values(tmp_path: Path) -> None:
    """A value outside the options of the rule is refused; rules exclude options beside them."""
    with pytest.raises(PipelineError, match="`large` cannot be used"):
        load(tmp_path, SIZES, inputs={"cloud": "x", "size": "large"})
    with pytest.raises(PipelineError, match="cannot be used together: rules, default"):
        load(tmp_path, "spec: {inputs: {a: {rules: [{default: x}], default: y}}}\n---\nj: {script: s}")


def test_included_inputs(tmp_path: Path) -> None:
    """``spec:include`` brings declarations; the same name twice is refused, other keys too (1.3)."""
    body = "j: {script: '$[[ inputs.a ]]$[[ inputs.own ]]'}"
    text = f"spec: {{include: [i.yml], inputs: {{own: {{default: o}}}}}}\n---\n{body}"
    assert load(tmp_path, text, {"i.yml": "inputs: {a: {default: x}}"})["j"]["script"] == "xo"
    with pytest.raises(PipelineError, match="Duplicate input keys found: own"):
        load(tmp_path, text, {"i.yml": "inputs: {own: {}}"})
    with pytest.raises(PipelineError, match="contains unknown keys: jobs"):
        load(tmp_path, text, {"i.yml": "jobs: {}"})


def test_facts_about_a_component(tmp_path: Path) -> None:
    """A component that asks for them gets its name and version; others do not know them (1.5)."""
    folder = tmp_path / "elsewhere" / "component" / "host" / "g" / "c@1.2" / "templates"
    folder.mkdir(parents=True)
    body = "j: {script: '$[[ component.name ]] $[[ component.version ]]'}"
    asks = f"spec: {{component: [name, version]}}\n---\n{body}"
    (folder / "lint.yml").write_text(asks)
    text = "include: [{component: host/g/c/lint@1.2}]"
    found = load(tmp_path, text, elsewhere=Folder(tmp_path / "elsewhere"))
    assert found["j"]["script"] == "lint 1.2"
    (folder / "lint.yml").write_text(asks.replace("name, version", "name"))
    with pytest.raises(PipelineError, match="unknown interpolation provided: `version`"):
        load(tmp_path, text, elsewhere=Folder(tmp_path / "elsewhere"))


def test_split(tmp_path: Path) -> None:
    """``split`` makes a list, which is spliced."""
    text = "spec: {inputs: {a: {default: 'x,y'}}}\n---\nj: {script: [\"$[[ inputs.a | split(',') ]]\", z]}"
    assert load(tmp_path, text)["j"]["script"] == ["x", "y", "z"]


def test_twenty_inputs_at_most(tmp_path: Path) -> None:
    """A pipeline is given twenty values, not one more (1.4)."""
    names = [f"i{n}" for n in range(21)]
    declared = ", ".join(f"{name}: {{default: x}}" for name in names)
    header = f"spec: {{inputs: {{{declared}}}}}"
    text = f"{header}\n---\nj: {{script: s}}"
    assert "j" in load(tmp_path, text, inputs=dict.fromkeys(names[:20], "y"))
    with pytest.raises(PipelineError, match="There cannot be more than 20 inputs"):
        load(tmp_path, text, inputs=dict.fromkeys(names, "y"))
