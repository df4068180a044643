"""Entries as text."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pyrunner.config.cache import CacheConfig, S3Cache
from pyrunner.config.load import parse_config
from pyrunner.config.model import RunnerConfig
from pyrunner.config.render import render_key, render_runner, render_value
from pyrunner.config.tables import Artifact, CustomBuildDir, CustomExecutor, Tristan


def _again(runner: RunnerConfig) -> RunnerConfig:
    text = render_runner(runner)
    config = parse_config(text.encode(), {})
    assert config.unknown_keys == []
    return config.runners[0]


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_any_text_survives(text: str) -> None:
    """Every character that TOML can hold is read back as it was, as a value and as a key."""
    assert tomllib.loads(f"{render_key(text)} = {render_value(text)}") == {text: text}


def test_everything_that_differs_from_its_default_survives() -> None:
    """Durations, three-state booleans, maps, nested tables and lists of tables are read back."""
    runner = RunnerConfig(
        name="a",
        prepare_timeout=90.5,
        clean_git_config=False,
        feature_flags={"FF X": True},
        labels={"abc": "d"},
        artifact=Artifact(upload_timeout=0.15),
        custom_build_dir=CustomBuildDir(enabled=False),
        cache=CacheConfig(type="s3", s3=S3Cache(bucket_name="b", dual_stack=False)),
        custom=CustomExecutor(run_args=["a", 'b"']),
        tristan=Tristan(
            usage_report=False, dependency_lib=["java"], min_free=5, kill_grace=2.0, business_id="7"
        ),
        kubernetes={
            "cleanup_resources_timeout": 90.0,
            "volumes": {"host_path": [{"name": "x"}, {"name": "y", "read_only": True}]},
            "node_selector": {"a.b/c": "d"},
        },
    )
    assert _again(runner) == runner


def test_defaults_vanish_but_for_those_that_upstream_always_writes() -> None:
    """The keys that gitlab-runner writes even at zero are there, and no other."""
    values = tomllib.loads(
        render_runner(RunnerConfig(custom=CustomExecutor(), cache=CacheConfig(s3=S3Cache())))
    )
    (entry,) = values["runners"]
    assert list(entry) == [
        *("name", "url", "id", "token", "token_obtained_at", "token_expires_at", "executor"),
        *("cache", "custom"),
    ]
    assert entry["cache"] == {"MaxUploadedArchiveSize": 0, "s3": {"AssumeRoleMaxConcurrency": 0}}
    assert entry["custom"] == {"run_exec": ""}


def test_durations_are_go_text() -> None:
    """A duration is written as gitlab-runner writes it."""
    line: Any = render_runner(RunnerConfig(prepare_timeout=3600.0)).splitlines()
    assert '  prepare_timeout = "1h0m0s"' in line
