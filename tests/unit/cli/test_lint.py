"""``lint``, of a pipeline and of config.toml (config-and-commands.md 2.4)."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyrunner.cli.main import run


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_pipeline_without_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 and one line; local includes start at the root of the work tree."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "jobs.yml").write_text("a: {script: s}")
    path = tmp_path / "sub" / "ci.yml"
    path.write_text("include: jobs.yml\n")
    assert run(["lint", str(path)], {"HOME": str(tmp_path)}) == 0
    assert capsys.readouterr().out == f"{path}: no findings\n"


def test_without_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a config.toml it is the repository's own pipeline, from any folder in it; with one, that."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / ".gitlab-ci.yml").write_text("a: {script: s, retry: 3}\n")
    monkeypatch.chdir(tmp_path / "sub")
    environ = {"HOME": str(tmp_path)}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # root's config.toml is not below its home
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert run(["lint"], dict(environ)) == 2
    assert "../.gitlab-ci.yml:1:16: retry config must be" in capsys.readouterr().out
    assert run(["lint", "--config", str(tmp_path / "config.toml")], dict(environ)) == 1
    (tmp_path / ".gitlab-runner").mkdir()
    (tmp_path / ".gitlab-runner/config.toml").write_text("concurrent = 1\n")
    assert run(["lint"], dict(environ)) == 0
    assert capsys.readouterr().out == "Configuration file is valid.\n"


def test_findings_as_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, each finding with file, line and column."""
    path = tmp_path / "ci.yml"
    path.write_text("a:\n  script: s\n  retry: 3\n")
    assert run(["lint", str(path)], {"HOME": str(tmp_path)}) == 2
    assert capsys.readouterr().out == f"{path}:3:3: retry config must be less than or equal to 2\n"
    for words in (["--json"], ["--format", "json"]):
        assert run(["lint", *words, str(path)], {"HOME": str(tmp_path)}) == 2
        shown = json.loads(capsys.readouterr().out)
        assert [(one["file"], one["line"], one["column"]) for one in shown] == [(str(path), 3, 3)]
        assert shown[0]["severity"] == "error"


def test_formats_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Editors get a compiler's lines, GitHub its commands with special characters escaped."""
    path = tmp_path / "ci.yml"
    path.write_text("a:\n  script: s\n  scrip: t\n")
    environ = {"HOME": str(tmp_path)}
    message = "jobs:a config contains unknown keys: scrip"
    assert run(["lint", "--format", "gcc", str(path)], environ) == 2
    expected = [f"{path}:3:3: error: {message}", f"{path}:3:3: note: did you mean script?"]
    assert capsys.readouterr().out.splitlines() == expected
    assert run(["lint", "--format", "github", str(path)], environ) == 2
    expected = [f"::error file={path},line=3,col=3::{message}%0Ahint: did you mean script?"]
    assert capsys.readouterr().out.splitlines() == expected
    assert run(["lint", "--format", "xml", str(path)], environ) != 0


def test_several_files_and_warnings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file is examined; warnings alone leave the exit code at 0."""
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text("a: {script: s, rules: [{when: always}]}")
    bad.write_text("a: {script: s, retry: 3}")
    environ = {"HOME": str(tmp_path)}
    assert run(["lint", str(good)], environ) == 0
    assert "warning: jobs:a may allow multiple pipelines" in capsys.readouterr().out
    assert run(["lint", str(good), str(bad)], environ) == 2
    assert f"{bad}:1:16: retry config" in capsys.readouterr().out


def test_the_schema_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The schema for editors is asked on request only, and what it says is a warning."""
    path = tmp_path / "ci.yml"
    path.write_text("variables: {A: 1.5}\na: {script: s, services: [{name: x, alias: ''}]}\n")
    environ = {"HOME": str(tmp_path)}
    assert run(["lint", str(path)], environ) == 0
    assert "warning" not in capsys.readouterr().out
    assert run(["lint", "--schema", str(path)], environ) == 0
    assert f"{path}:2:37: warning: schema: a:services:0:alias" in capsys.readouterr().out


def test_inputs_and_the_folder_for_includes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Inputs and variables come from flags, files of other projects from the folder."""
    path = tmp_path / "ci.yml"
    path.write_text(
        "spec: {inputs: {f: {}}}\n---\ninclude: [{project: $GROUP/p, file: $[[ inputs.f ]]}]\n".replace(
            "$[[ inputs.f ]]", '"$[[ inputs.f ]]"'
        )
    )
    folder = tmp_path / "elsewhere" / "project" / "g" / "p" / "HEAD"
    folder.mkdir(parents=True)
    (folder / "x.yml").write_text("a: {script: s}")
    words = ["lint", "--input", "f=x.yml", "--variable", "GROUP=g"]
    environ = {"HOME": str(tmp_path)}
    assert run([*words, str(path)], environ) == 2
    assert "hint: nothing is fetched" in capsys.readouterr().out
    assert run([*words, "--include-folder", str(tmp_path / "elsewhere"), str(path)], environ) == 0


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("concurrent = 2\n", 0, "Configuration file is valid."),
        ("concurent = 2\n", 1, "unknown key: concurent"),
        ("concurrent = \n", 1, "decoding config: "),
        ('[[runners]]\nurl = ""\ntoken = "t"\n', 1, "config schema validation failed: "),
        (None, 1, "config file not found: "),
    ],
)
def test_config_toml(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, code: int, message: str
) -> None:
    """Without a file it is gitlab-runner's lint, and writes nothing."""
    path = tmp_path / "config.toml"
    if text is not None:
        path.write_text(text)
    before = sorted(tmp_path.iterdir())
    assert run(["lint", "-c", str(path)], {"HOME": str(tmp_path)}) == code
    shown = capsys.readouterr()
    assert message in shown.out + shown.err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("form", ["text", "gcc"])
def test_names_do_nothing_on_a_terminal(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file may come from anybody: escape sequences in it are not printed."""
    path = tmp_path / "ci.yml"
    path.write_text('"\\e]0;title\\a\\e[2Jjob": {script: s, foo: 1}\n')
    assert run(["lint", "--format", form, str(path)], {"HOME": str(tmp_path)}) == 2
    found = capsys.readouterr().out
    assert "jobs:job config contains unknown keys: foo" in found
    assert "\x1b" not in found
    assert "\x07" not in found
