"""config.toml.example."""

from __future__ import annotations

import dataclasses
import re
import typing
from pathlib import Path
from typing import Any

import pytest

from pyrunner.config.load import parse_config
from pyrunner.config.model import Config, RunnerConfig

EXAMPLE = Path(__file__).parents[3] / "config.toml.example"
#: A key that is off: "#" with no space behind it.
OFF = re.compile(r"^(\s*)#(?=[^\s#-])", re.MULTILINE)


def _uncommented() -> str:
    return OFF.sub(r"\1", EXAMPLE.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text", [EXAMPLE.read_text(encoding="utf-8"), _uncommented()], ids=["as is", "all on"]
)
def test_loads_without_unknown_keys(text: str) -> None:
    """The example works for `run` as it is and with every key on, and knows no key that pyrunner does not."""
    config = parse_config(text.encode(), {}, for_run=True)
    assert config.unknown_keys == []
    assert config.warnings == []


def _keys(cls: Any) -> set[str]:
    """Return every key of a table and of the typed tables below it."""
    keys: set[str] = set()
    for field in dataclasses.fields(cls):
        key = field.metadata.get("toml", field.name)
        if key is None or "table" in field.metadata:
            continue
        keys.add(key)
        for kind in _tables(typing.get_type_hints(cls)[field.name]):
            keys |= _keys(kind)
    return keys


def _tables(hint: Any) -> list[Any]:
    if dataclasses.is_dataclass(hint):
        return [hint]
    return [table for one in typing.get_args(hint) for table in _tables(one)]


def test_names_every_key() -> None:
    """A key of the model that the example does not explain is a key that nobody finds."""
    text = _uncommented()
    missing = [
        key for key in _keys(Config) if not re.search(rf"^\s*{key} =|[.\[]{key}[.\]]", text, re.MULTILINE)
    ]
    assert missing == []


def test_defaults_that_are_shown_are_the_defaults() -> None:
    """Where the example shows the default of [runners.tristan], it is the one in force."""
    runner = parse_config(_uncommented().encode(), {}).runners[0]
    bare = RunnerConfig()
    shown = {"on_stop", "source_path", "keep_branches", "keep_days", "workspace", "usage_report"}
    assert {key: getattr(runner.tristan, key) for key in shown} == {
        key: getattr(bare.tristan, key) for key in shown
    }
    assert runner.tristan.effective_kill_grace == bare.tristan.effective_kill_grace
    assert runner.effective_output_limit == bare.effective_output_limit
    assert runner.effective_unhealthy_interval == bare.effective_unhealthy_interval
