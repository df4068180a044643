"""Templates of register: what is taken, and what beats it (config-and-commands.md 2.3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.cli.failure import CommandFailed
from pyrunner.cli.template import load_template, merged
from pyrunner.config.cache import CacheConfig, S3Cache
from pyrunner.config.docker import DockerConfig
from pyrunner.config.model import RunnerConfig
from pyrunner.config.tables import Tristan


def test_values_fill_gaps_only() -> None:
    """The template counts where the own value is empty, zero, false or absent, table by table."""
    own = RunnerConfig(
        name="host",
        limit=0,
        output_limit=5,
        docker=DockerConfig(image="mine", privileged=False, volumes=["/mine"]),
        cache=CacheConfig(s3=S3Cache(bucket_name="mine")),
    )
    template = RunnerConfig(
        name="theirs",
        limit=3,
        output_limit=9,
        shell="bash",
        docker=DockerConfig(image="theirs", privileged=True, volumes=["/theirs"], cpus="2"),
        cache=CacheConfig(type="s3", s3=S3Cache(bucket_name="theirs", access_key="key")),
        tristan=Tristan(keep_days=3),
        feature_flags={"FF_A": True},
    )
    result = merged(own, template)
    assert (result.name, result.limit, result.output_limit, result.shell) == ("host", 3, 5, "bash")
    assert result.docker == DockerConfig(image="mine", privileged=True, volumes=["/mine"], cpus="2")
    assert result.cache == CacheConfig(type="s3", s3=S3Cache(bucket_name="mine", access_key="key"))
    assert result.tristan == Tristan(keep_days=3)
    assert result.feature_flags == {"FF_A": True}


def test_a_table_only_the_template_has() -> None:
    """A whole table comes from the template."""
    assert merged(RunnerConfig(), RunnerConfig(docker=DockerConfig(image="x"))).docker == DockerConfig(
        image="x"
    )


def test_an_explicit_false_loses() -> None:
    """A three-state false is as good as absent here: a flag cannot turn a template's true off."""
    own, template = RunnerConfig(clean_git_config=False), RunnerConfig(clean_git_config=True)
    assert merged(own, template).clean_git_config is True


def test_token_and_global_keys_are_dropped(tmp_path: Path) -> None:
    """A template's token is nobody's, and its global keys do not reach the entry."""
    path = tmp_path / "template.toml"
    path.write_text(
        'concurrent = 9\n[labels]\nglobal = "one"\n'
        '[[runners]]\ntoken = "secret"\nlimit = 2\n[runners.labels]\nown = "two"\n'
    )
    runner = load_template(path, {})
    assert (runner.token, runner.limit, runner.labels) == ("", 2, {"own": "two"})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "must contain exactly one"),
        ("concurrent = 1\n", "must contain exactly one"),
        ("[[runners]]\n[[runners]]\n", "must contain exactly one"),
        ("[[runners]]\nlimit = 'x'\n", "limit"),
    ],
)
def test_unusable(tmp_path: Path, content: str | None, reason: str) -> None:
    """A missing file is an empty one; anything but one entry is refused, with the reason as a field."""
    path = tmp_path / "template.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CommandFailed, match="Could not handle configuration merging") as caught:
        load_template(path, {})
    assert reason in caught.value.fields["error"]
