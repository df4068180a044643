"""The info object (runner-api.md 2)."""

from __future__ import annotations

import re

import pytest

from pyrunner.protocol.runner import (
    EXECUTOR_FEATURES,
    NETWORK_FEATURES,
    SHELL_EXECUTOR_FEATURES,
    SHELL_FEATURES,
    go_architecture,
    invalid_labels,
    runner_info,
    user_agent,
)

# the example of runner-api.md 2.4, word for word
ALL_FEATURES = [
    "variables",
    "image",
    "services",
    "artifacts",
    "cache",
    "fallback_cache_keys",
    "shared",
    "upload_multiple_artifacts",
    "upload_raw_artifacts",
    "session",
    "terminal",
    "refspecs",
    "masking",
    "proxy",
    "raw_variables",
    "artifacts_exclude",
    "multi_build_steps",
    "trace_reset",
    "trace_checksum",
    "trace_size",
    "vault_secrets",
    "cancelable",
    "return_exit_code",
    "service_variables",
    "service_multiple_aliases",
    "image_executor_opts",
    "service_executor_opts",
    "cancel_gracefully",
    "native_steps_integration",
    "two_phase_job_commit",
    "job_inputs",
]


def true_features(info: dict[str, object]) -> set[str]:
    """Return the names of the features that are claimed."""
    features = info["features"]
    assert isinstance(features, dict)
    return {name for name, value in features.items() if value is True}


def test_all_features_are_always_present() -> None:
    """Every one of the 31 keys is sent, as a boolean, whatever the executor."""
    for info in (runner_info(), runner_info("shell", "bash", SHELL_EXECUTOR_FEATURES)):
        assert set(info["features"]) == set(ALL_FEATURES)
        assert len(ALL_FEATURES) == 31
        assert all(isinstance(value, bool) for value in info["features"].values())


def test_the_shell_executor_claims_what_it_does() -> None:
    """Shell: variables, shared, terminals, the script writers' and the network's; no native steps."""
    info = runner_info("shell", "bash", SHELL_EXECUTOR_FEATURES)
    assert true_features(info) == {
        *("variables", "shared", "session", "terminal"),
        *SHELL_FEATURES,
        *NETWORK_FEATURES,
    }
    assert info["executor"] == "shell"
    assert info["shell"] == "bash"


def test_registration_knows_no_executor() -> None:
    """The info of a legacy registration has the seven network features and no executor (1.1)."""
    info = runner_info()
    assert true_features(info) == set(NETWORK_FEATURES)
    assert len(NETWORK_FEATURES) == 7
    assert "executor" not in info
    assert "shell" not in info


def test_identity_is_in_the_words_gitlab_knows() -> None:
    """Name, version and Go's names of platform and architecture go over the wire (2.1)."""
    info = runner_info()
    assert info["name"] == "gitlab-runner"
    assert info["version"] == "19.4.0"
    assert info["revision"] == "HEAD"
    assert info["platform"] in ("linux", "darwin", "windows")
    assert info["architecture"] not in ("x86_64", "aarch64")


@pytest.mark.parametrize(
    ("machine", "name"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("i686", "386"), ("armv7l", "arm"), ("riscv64", "riscv64")],
)
def test_architectures_in_go_names(machine: str, name: str) -> None:
    """The server and CI_RUNNER_EXECUTABLE_ARCH know Go's names only."""
    assert go_architecture(machine) == name


def test_config_always_holds_gpus() -> None:
    """``config`` is always sent; gpus is trimmed (2.1)."""
    assert runner_info()["config"] == {"gpus": ""}
    assert runner_info(gpus=" all ")["config"] == {"gpus": "all"}


def test_labels_only_when_there_are_any() -> None:
    """``labels`` is left out when empty (2.1)."""
    assert "labels" not in runner_info(labels={})
    assert runner_info(labels={"site": "orchard"})["labels"] == {"site": "orchard"}


def test_a_feature_of_nobody_is_a_mistake() -> None:
    """A misspelled feature would silently never be claimed; a network feature is not the executor's."""
    for name in ("sesion", "trace_reset"):
        with pytest.raises(ValueError, match=name):
            runner_info("shell", "bash", {name})


def test_groups_do_not_overlap() -> None:
    """Each feature belongs to one group: otherwise claiming one would depend on another."""
    groups = [*EXECUTOR_FEATURES, *SHELL_FEATURES, *NETWORK_FEATURES]
    assert len(groups) == len(set(groups)) == 30
    assert set(ALL_FEATURES).difference(groups) == {"vault_secrets"}


def test_secrets_are_not_claimed() -> None:
    """Jobs with ``secrets:`` are refused here: GitLab must not hand them out (2.4)."""
    for executor in ("shell", "docker"):
        info = runner_info(executor, "bash", EXECUTOR_FEATURES)
        assert info["features"]["vault_secrets"] is False


def test_invalid_labels_are_named() -> None:
    """Too many labels, a bad name and a bad value are each reported (2.1)."""
    assert invalid_labels({"site_a": "row-1.b"}) == []
    assert any("'ab'" in finding for finding in invalid_labels({"ab": "x"}))
    assert any("label 'site'" in finding for finding in invalid_labels({"site": "a b"}))
    assert any("33 labels" in finding for finding in invalid_labels({f"key{n:02}": "x" for n in range(33)}))


def test_user_agent_has_the_shape_servers_parse() -> None:
    """The leading ``gitlab-runner X.Y.Z (branch; builder; os/arch)`` is what Rails and proxies read (0.2)."""
    assert re.fullmatch(
        r"gitlab-runner 19\.4\.0 \(19-4-stable; pyrunner/[0-9.]+; [a-z0-9]+/[a-z0-9_]+\)", user_agent()
    )
