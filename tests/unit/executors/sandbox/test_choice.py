"""Sandbox or container: the list of design R8, entry by entry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyrunner.config.docker import DockerConfig
from pyrunner.config.model import RunnerConfig
from pyrunner.config.tables import Tristan
from pyrunner.errors import BuildError
from pyrunner.executors.sandbox.choice import EngineFacts, Workspace, choose_workspace
from pyrunner.protocol.states import FailureReason

LOCAL = EngineFacts(local=True)


def choose(
    workspace: str = "auto",
    docker: DockerConfig | None = None,
    engine: EngineFacts = LOCAL,
    unavailable: str | None = None,
    firewall: str = "",
    job_hooks: bool = False,
    unlimited: str | None = None,
    **runner: Any,
) -> Workspace:
    """Choose for a runner."""
    config = replace(RunnerConfig(tristan=Tristan(workspace=workspace)), **runner)
    return choose_workspace(
        config,
        docker or DockerConfig(),
        engine,
        "/builds",
        job_hooks=job_hooks,
        unavailable=lambda: unavailable,
        firewall=lambda: firewall,
        unlimited=lambda limits: unlimited if limits else None,
    )


def test_auto_takes_the_sandbox_where_it_is_equal() -> None:
    """A plain runner gets it."""
    assert choose().kind == "sandbox"
    assert (
        choose(docker=DockerConfig(volumes=["/cache", "/srv/x:/opt/x:ro"], network_mode="bridge")).kind
        == "sandbox"
    )


@pytest.mark.parametrize(
    "setting",
    [
        {"helper_image": "mine"},
        {"dns": ["1.2.3.4"]},
        {"dns_search": ["a"]},
        {"extra_hosts": ["a:1.2.3.4"]},
        {"userns_mode": "host"},
        {"runtime": "kata"},
        {"volume_driver": "nfs"},
        {"cgroup_parent": "/ci"},
        {"cpuset_cpus": "0"},
        {"cpuset_mems": "0"},
        {"oom_kill_disable": True},
        {"network_mode": "host"},
        {"network_mode": "mine"},
        {"network_mode": "container:x"},
        {"volumes": ["/srv/ca.crt:/etc/gitlab-runner/certs/ca.crt:ro"]},
        {"volumes": ["/etc/ssl/certs:/etc/ssl/certs"]},
        {"volumes": ["/srv/builds:/builds"]},
        {"volumes": ["/srv/builds:/builds/group"]},
        {"volumes": ["/builds"]},
        {"volumes": ["name:/etc:ro"]},
    ],
    ids=str,
)
def test_auto_takes_the_container_for_settings_of_it(setting: dict[str, Any]) -> None:
    """What would change a helper container has to have one."""
    chosen = choose(docker=DockerConfig(**setting))
    assert chosen.kind == "container"
    assert chosen.reason


@pytest.mark.parametrize("key", ["pre_get_sources_script", "post_get_sources_script"])
def test_auto_takes_the_container_for_scripts_of_config(key: str) -> None:
    """They were written for a helper image."""
    setting: dict[str, Any] = {key: "true"}
    assert choose(**setting) == Workspace("container", f"{key} is set")


@pytest.mark.parametrize(
    "engine",
    [
        EngineFacts(local=False),
        EngineFacts(local=True, rootless=True),
        EngineFacts(local=True, remapped=True),
        EngineFacts(local=True, bridge_ipv6=True),
    ],
)
def test_auto_takes_the_container_for_other_engines(engine: EngineFacts) -> None:
    """Remote, rootless or mapping users, or with a network that the sandbox has not."""
    assert choose(engine=engine).kind == "container"


def test_auto_takes_the_container_where_the_host_stands_against_it() -> None:
    """Bubblewrap missing, no root, or a firewall that holds containers back."""
    assert choose(unavailable="no bwrap") == Workspace("container", "no bwrap")
    assert (
        choose(firewall="chain DOCKER-USER").reason
        == "the firewall holds containers back (chain DOCKER-USER)"
    )


@pytest.mark.parametrize("key", ["memory", "memory_swap", "memory_reservation", "cpus", "cpu_shares"])
def test_limits_are_kept(key: str) -> None:
    """Those of a helper container hold for the sandbox as well, or there is none."""
    value: Any = 512 if key == "cpu_shares" else "512"
    docker = DockerConfig(**{key: value})
    assert choose(docker=docker).kind == "sandbox"
    assert choose(docker=docker, unlimited="no group") == Workspace("container", "no group")
    assert choose(unlimited="no group").kind == "sandbox"
    with pytest.raises(BuildError, match="no group"):
        choose("sandbox", docker=docker, unlimited="no group")


@pytest.mark.parametrize("workspace", ["auto", "sandbox"])
def test_pipeline_hooks_never_run_on_the_host(workspace: str) -> None:
    """Whatever the setting says."""
    if workspace == "auto":
        assert choose(job_hooks=True).kind == "container"
        return
    with pytest.raises(BuildError) as caught:
        choose("sandbox", job_hooks=True)
    assert caught.value.failure_reason == FailureReason.CONFIGURATION_ERROR


def test_forced() -> None:
    """``container`` asks nothing; ``sandbox`` overrules settings, not facts; another word is an error."""
    assert choose("container", unavailable="none").kind == "container"
    assert choose("sandbox", docker=DockerConfig(dns=["1.2.3.4"]), firewall="chain INPUT").kind == "sandbox"
    with pytest.raises(BuildError, match="bubblewrap is not installed"):
        choose("sandbox", unavailable="bubblewrap is not installed")
    with pytest.raises(BuildError, match="on another host"):
        choose("sandbox", engine=EngineFacts(local=False))
    with pytest.raises(BuildError, match="none of auto, sandbox, container"):
        choose("box")


def test_engine_facts_are_read_from_its_answers() -> None:
    """``docker info`` lists security options as ``name=…`` with more behind."""
    info = {"SecurityOptions": ["name=seccomp,profile=default", "name=userns", "name=rootless"]}
    assert EngineFacts.of(True, info) == EngineFacts(True, rootless=True, remapped=True)
    assert EngineFacts.of(True, {"SecurityOptions": None}, {"EnableIPv6": True}) == EngineFacts(
        True, bridge_ipv6=True
    )
