"""Effective pull policies (docker-executor.md 3.2)."""

from __future__ import annotations

import pytest

from pyrunner.config.docker import DockerConfig
from pyrunner.errors import BuildError, PyrunnerError
from pyrunner.executors.docker.images.pull_policy import effective_policies
from pyrunner.protocol.states import FailureReason


@pytest.mark.parametrize(
    ("requested", "configured", "allowed", "expected"),
    [
        ([], [], [], ["always"]),
        ([], ["if-not-present"], [], ["if-not-present"]),
        (["always"], [], [], ["always"]),
        (["if-not-present", "always"], ["always", "if-not-present"], [], ["if-not-present", "always"]),
        (["never", "always", "always"], [], ["always"], ["always", "always"]),
        ([], ["always", "never"], ["never"], ["never"]),
        (["if-not-present"], ["always"], ["always", "if-not-present"], ["if-not-present"]),
        (["nonsense", "always"], [], [], ["always"]),
    ],
)
def test_requested_and_allowed_in_the_requested_order(
    requested: list[str], configured: list[str], allowed: list[str], expected: list[str]
) -> None:
    """Payload before config, config before ``always``; the allowed list is the configured one by default."""
    config = DockerConfig(pull_policy=configured, allowed_pull_policies=allowed)
    assert effective_policies(config, requested, "ruby") == expected


@pytest.mark.parametrize(
    ("requested", "configured", "allowed", "words"),
    [
        (
            ["never"],
            [],
            [],
            "([never]) defined in GitLab pipeline config is not one of",
        ),
        ([], ["never"], ["always"], "([never]) defined in Runner config is not one of"),
        ([], [], ["never", "if-not-present"], "([always]) defined in Runner config (default) is not one of"),
    ],
)
def test_none_allowed_is_the_configurations_fault(
    requested: list[str], configured: list[str], allowed: list[str], words: str
) -> None:
    """The text names image, list, source and allowed list."""
    config = DockerConfig(pull_policy=configured, allowed_pull_policies=allowed)
    with pytest.raises(BuildError) as raised:
        effective_policies(config, requested, "ruby")
    shown = " ".join(allowed or configured or ["always"])
    assert str(raised.value) == (
        f'invalid pull policy for image "ruby": pull_policy {words} the allowed_pull_policies ([{shown}])'
    )
    assert raised.value.failure_reason == FailureReason.CONFIGURATION_ERROR


@pytest.mark.parametrize(
    ("key", "config"),
    [
        ("pull_policy", DockerConfig(pull_policy=["sometimes"])),
        ("allowed_pull_policies", DockerConfig(allowed_pull_policies=["sometimes"])),
    ],
)
def test_a_word_that_is_no_policy_is_a_plain_error(key: str, config: DockerConfig) -> None:
    """Preparation is tried again, and the job ends as a system failure."""
    with pytest.raises(PyrunnerError) as raised:
        effective_policies(config, [], "ruby")
    assert str(raised.value) == f'unsupported {key} config: "sometimes"'
    assert not isinstance(raised.value, BuildError)


def test_configured_policies_are_not_looked_at_where_they_do_not_count() -> None:
    """A bad ``pull_policy`` harms no job that brings its own, with an allowed list."""
    config = DockerConfig(pull_policy=["sometimes"], allowed_pull_policies=["never"])
    assert effective_policies(config, ["never"], "ruby") == ["never"]
