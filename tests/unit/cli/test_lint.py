"""``lint``, of a pipeline and of config.toml (config-and-commands.md 2.4)."""

from __future__ import annotations

import json
import logging
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


def test_findings_as_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, each finding with file, line and column."""
    path = tmp_path / "ci.yml"
    path.write_text("a:\n  script: s\n  retry: 3\n")
    assert run(["lint", str(path)], {"HOME": str(tmp_path)}) == 1
    assert capsys.readouterr().out == f"{path}:3:3: retry config must be less than or equal to 2\n"
    assert run(["lint", "--json", str(path)], {"HOME": str(tmp_path)}) == 1
    shown = json.loads(capsys.readouterr().out)
    assert [(one["file"], one["line"], one["column"]) for one in shown] == [(str(path), 3, 3)]


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
    assert run([*words, str(path)], environ) == 1
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
