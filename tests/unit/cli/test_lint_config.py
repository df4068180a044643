"""``lint-config`` as a command."""

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


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A file with one error and one warning."""
    path = tmp_path / "config.toml"
    path.write_text('concurent = 2\n[[runners]]\nurl = "https://h/ci"\ntoken = "t"\n')
    return path


def test_text(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a finding as a compiler writes it, with what to do below it; an error makes it 1."""
    assert run(["lint-config", "--config", str(config)], {"HOME": "/nonexistent"}) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{config}:1:1: concurent: unknown key",
        "    hint: did you mean concurrent?",
        f"{config}:3:1: warning: runners.url: the ending /ci is an old form",
        "    hint: remove /ci",
    ]


def test_json(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for programs; without findings an empty list."""
    assert run(["lint-config", "--json", str(config)], {"HOME": "/nonexistent"}) == 1
    shown = json.loads(capsys.readouterr().out)
    assert [(one["line"], one["column"], one["severity"]) for one in shown] == [
        (1, 1, "error"),
        (3, 1, "warning"),
    ]
    config.write_text("")
    assert run(["lint-config", "--json", str(config)], {"HOME": "/nonexistent"}) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_warnings_alone_are_no_failure(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code tells whether the file can be used."""
    config.write_text(config.read_text().replace("concurent", "concurrent"))
    assert run(["lint-config", str(config)], {"HOME": "/nonexistent"}) == 0
    assert "warning" in capsys.readouterr().out


def test_lint_of_a_toml_file_is_the_same(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``lint`` takes pipelines; a file that ends in .toml is none."""
    assert run(["lint", "--json", str(config)], {"HOME": "/nonexistent"}) == 1
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_nothing_is_written(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No system id appears beside the file."""
    run(["lint-config", str(config)], {"HOME": "/nonexistent"})
    assert [one.name for one in config.parent.iterdir()] == ["config.toml"]


def test_what_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file and an unknown form are errors."""
    assert run(["lint-config", str(tmp_path / "none.toml")], {"HOME": "/nonexistent"}) == 1
    assert "No such file or directory" in capsys.readouterr().err
    assert run(["lint-config", "--format", "xml"], {"HOME": "/nonexistent"}) == 1
    assert "--format is one of" in capsys.readouterr().err
