"""Which differences apply to a configuration."""

from __future__ import annotations

import re
from pathlib import Path

from pyrunner.config.load import parse_config
from pyrunner.migration.differences import (
    GLOBAL_WITHOUT_EFFECT,
    RUNNER_WITHOUT_EFFECT,
    Difference,
    differences,
)

ENTRY = '[[runners]]\nname = "a"\nurl = "https://h/"\ntoken = "t"\nexecutor = "shell"\n'
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"


def found(text: str) -> list[Difference]:
    """Return what applies to a config.toml; jobs live below /data."""
    config = parse_config(text.encode(), {})
    return list(differences(config, frozenset(("shell", "docker")), lambda _: Path("/data")))


def about(text: str, part: str) -> list[Difference]:
    """Return those differences that name ``part``."""
    return [one for one in found(text) if part in one.text]


def test_what_everybody_notices() -> None:
    """What holds for every configuration comes first, with its switch."""
    first, second, *_ = found(ENTRY)
    assert "SIGTERM" in first.text
    assert "on_stop" in first.advice
    assert "usage_report" in second.advice


def test_an_executor_that_is_not_there_blocks() -> None:
    """A runner that would get no jobs is told as such, and nothing else about it."""
    of_runner = [one for one in found(ENTRY.replace("shell", "kubernetes")) if one.runner]
    assert [one.blocks for one in of_runner] == [True]
    assert "docker, shell" in of_runner[0].advice


def test_a_shell_that_is_not_there_blocks() -> None:
    """PowerShell jobs cannot run."""
    (difference,) = [one for one in found(ENTRY + 'shell = "pwsh"\n') if one.runner]
    assert difference.blocks


def test_paths() -> None:
    """The place of jobs is named, and the choice between branch and slot only where it is open."""
    assert "/data" in about(ENTRY, "jobs run below")[0].text
    assert len(about(ENTRY, "CI_PROJECT_DIR differs")) == 1
    slot = ENTRY + "[runners.tristan]\nsource_path = 'slot'\n"
    assert about(slot, "CI_PROJECT_DIR differs") == []
    assert "docker volumes" in about(ENTRY.replace("shell", "docker"), "/data")[0].text


def test_keys_without_effect() -> None:
    """Named when the file has them, silent when it has their default."""
    assert about(ENTRY, "has no effect") == []
    text = 'sentry_dsn = "https://x/1"\n' + ENTRY
    assert len(about(text + "job_status_final_update_retry_limit = 3\n", "has no effect")) == 2


def test_the_tables_are_those_of_the_documentation() -> None:
    """What is said to have no effect here is said so there; whoever gives a key its effect changes both."""
    rows = re.findall(r"^\| [^|]*without effect \|(.*)\|$", DOCUMENT.read_text(), re.MULTILINE)
    named = {one.strip("[]").removeprefix("runners.") for one in re.findall(r"`([^`]+)`", " ".join(rows))}
    assert set(GLOBAL_WITHOUT_EFFECT) | set(RUNNER_WITHOUT_EFFECT) <= named
