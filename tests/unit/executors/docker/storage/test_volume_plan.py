"""What containers of a job mount: gitlab-runner's rules, and the Tristan layout's on this host."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pyrunner.errors import BuildError
from pyrunner.executors.docker.job import DockerJob
from pyrunner.executors.docker.storage.volume_plan import (
    Kind,
    is_protected,
    is_shared_builds_dir,
    plan_volumes,
    project_name,
    temporary_name,
)
from tests.support.docker_jobs import docker_job

SOURCE = "/srv/tristan/1/run/3/gitlab.example.com/group/app/branches/main/source"
CACHE = "/srv/tristan/1/cache/projects/gitlab.example.com/7/unprotected-slots/slot3"
OWNER = hashlib.sha256(b"glrt-t1_abcdefghijkl-s_1234567890ab-7-1").hexdigest()[:32]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _binds(job: DockerJob, local: bool = True, relabel: bool = False) -> list[str]:
    return [one.bind for one in plan_volumes(job, local=local, relabel=relabel)]


def _reusable(destination: str, suffix: str = "") -> str:
    return f"runner-{OWNER}-cache-{_md5(destination)}{suffix}:{destination}"


@pytest.mark.parametrize(
    ("docker", "expected"),
    [
        ({}, [f"{SOURCE}:/builds", f"{CACHE}:/cache"]),
        ({"volumes": ["/cache"]}, [f"{CACHE}:/cache", f"{SOURCE}:/builds"]),
        ({"volumes": ["/cache/"]}, [f"{CACHE}:/cache/", f"{SOURCE}:/builds"]),
        ({"volumes": ["/cache:ro"]}, [f"{CACHE}:/cache", f"{SOURCE}:/builds"]),
        ({"volumes": ["/host:/cache"]}, ["/host:/cache", f"{SOURCE}:/builds"]),
        ({"volumes": ["vol:/data:ro,z"]}, ["vol:/data:ro,z", f"{SOURCE}:/builds", f"{CACHE}:/cache"]),
        ({"volumes": ["/data"]}, [_reusable("/data"), f"{SOURCE}:/builds", f"{CACHE}:/cache"]),
        # a destination that the file gives wins
        ({"volumes": ["/builds"]}, [_reusable("/builds"), f"{CACHE}:/cache"]),
        ({"volumes": ["/host:/builds"]}, ["/host:/builds", f"{CACHE}:/cache"]),
        ({"volumes": ["/host:/builds:rw"]}, ["/host:/builds:rw", f"{CACHE}:/cache"]),
        # other caches where the file says that caches are kept
        (
            {"volumes": ["/cache"], "cache_dir": "/keep"},
            [f"/keep/runner-{OWNER}/{_md5('/cache')}:/cache", f"{SOURCE}:/builds"],
        ),
        (
            {"volumes": ["/cache"], "cache_dir": "keep"},
            [f"/etc/pyrunner/keep/runner-{OWNER}/{_md5('/cache')}:/cache", f"{SOURCE}:/builds"],
        ),
        ({"volumes": ["/cache"], "volume_driver": "nfs"}, [_reusable("/cache"), f"{SOURCE}:/builds"]),
        ({"disable_cache": True}, [f"{SOURCE}:/builds"]),
    ],
)
def test_an_engine_on_this_host(docker: dict[str, Any], expected: list[str]) -> None:
    """Build folder and slot cache are folders of the layout; the rest is as with gitlab-runner."""
    assert _binds(docker_job(docker=docker)) == expected


@pytest.mark.parametrize(
    ("docker", "strategy", "expected"),
    [
        ({}, "fetch", [_reusable("/builds")]),
        ({"volumes": ["/cache"]}, "fetch", [_reusable("/cache"), _reusable("/builds")]),
        ({"cache_dir": "/keep"}, "fetch", [f"/keep/runner-{OWNER}/{_md5('/builds')}:/builds"]),
        ({"volumes": ["/host:/builds"]}, "fetch", ["/host:/builds"]),
        ({"volumes": ["/builds"]}, "clone", [_reusable("/builds")]),
    ],
)
def test_an_engine_elsewhere(docker: dict[str, Any], strategy: str, expected: list[str]) -> None:
    """Only docker volumes, and only those that gitlab-runner makes."""
    assert _binds(docker_job(docker=docker, git_strategy=strategy), local=False) == expected


@pytest.mark.parametrize("strategy", ["clone", "none", "empty"])
def test_other_strategies_start_from_an_empty_volume(strategy: str) -> None:
    """It goes with the job."""
    (mount,) = plan_volumes(docker_job(git_strategy=strategy), local=False)
    assert (mount.kind, mount.destination) == (Kind.TEMPORARY, "/builds")
    assert mount.spec.source == f"{temporary_name(docker_job())}-cache-{_md5('/builds')}"


def test_without_caches_volumes_are_temporary() -> None:
    """Binds of the file stay what they are; /cache is nobody's but the job's."""
    docker = {"disable_cache": True, "volumes": ["/cache", "/data", "/a:/b"], "cache_dir": "/keep"}
    for local in (True, False):
        kinds = {one.destination: one.kind for one in plan_volumes(docker_job(docker=docker), local=local)}
        assert kinds.pop("/builds") is (Kind.FOLDER if local else Kind.TEMPORARY)
        assert kinds == {"/cache": Kind.TEMPORARY, "/data": Kind.TEMPORARY, "/b": Kind.BIND}


def test_a_bind_that_brings_the_folders_with_it_is_not_mounted_over() -> None:
    """A job can write to it, and could put a link in the place of what is mounted there (design R8)."""
    docker = {"volumes": ["/host:/data"]}
    assert _binds(docker_job(docker=docker, builds_dir="/data/builds")) == ["/host:/data", f"{CACHE}:/cache"]


@pytest.mark.parametrize(
    ("protected", "keys", "expected"),
    [
        (False, [], False),
        (True, [], True),
        (False, ["a", "b-protected"], True),
        (False, ["a-non_protected"], False),
        (True, ["a-non_protected"], True),
    ],
)
def test_protected_volumes_are_others(protected: bool, keys: list[str], expected: bool) -> None:
    """The ref is protected, or a cache key says so: then every volume has another name (7.2)."""
    caches = [{"key": key, "paths": ["x"]} for key in keys]
    job = docker_job(docker={"volumes": ["/data"]}, job={"cache": caches}, protected=protected)
    suffix = "-protected" if expected else ""
    assert is_protected(job) is expected
    assert _binds(job, local=False) == [_reusable("/data", suffix), _reusable("/builds", suffix)]
    host = docker_job(docker={"cache_dir": "/keep"}, job={"cache": caches}, protected=protected)
    assert _binds(host, local=False) == [f"/keep/runner-{OWNER}/{_md5('/builds')}{suffix}:/builds"]


def test_only_destinations_are_expanded() -> None:
    """Sources and names are the file's owner's."""
    job = docker_job(docker={"volumes": ["/host/$A:/in/$A", "/own/$A"]}, variables={"A": "x y"})
    assert _binds(job)[:2] == ["/host/$A:/in/x y", _reusable("/own/x y")]


@pytest.mark.parametrize(("protected", "mode"), [(False, ":ro"), (True, "")])
def test_shared_libraries(protected: bool, mode: str) -> None:
    """They are for reading, jobs of protected refs apart, and not in a folder that jobs write (design R8)."""
    shared = "/srv/tristan/1/cache/dependency_lib"
    tristan = {"dependency_lib": True, "dependency_lib_shared": True}
    job = docker_job(runner={"tristan": tristan}, protected=protected)
    offered = replace(job, record=replace(job.record, dependency_lib_shared=shared))
    expected = [f"{SOURCE}:/builds", f"{CACHE}:/cache"]
    assert _binds(offered) == [*expected, f"{shared}:/.pyrunner-dependency_lib{mode}"]
    assert _binds(job) == expected
    assert shared not in str(_binds(offered, local=False))
    off = docker_job(runner={"tristan": {"dependency_lib_shared": True}})
    assert _binds(replace(off, record=offered.record)) == expected


def test_our_folders_get_a_label_with_selinux() -> None:
    """One that all containers share; what the file mounts keeps its own."""
    job = docker_job(docker={"volumes": ["/a:/b"]})
    assert _binds(job, relabel=True) == ["/a:/b", f"{SOURCE}:/builds:z", f"{CACHE}:/cache:z"]


@pytest.mark.parametrize(
    ("volumes", "words"),
    [
        (["x:y"], 'parse volume: invalid volume specification: "x:y"'),
        (
            ["/a:/b", "/c:/b/"],
            "adding host volume: updating managed volume list: "
            'volume for container path "/b" is already defined',
        ),
        (
            ["/a:/b", "/$X"],
            "adding cache volume: updating managed volumes list: "
            'volume for container path "/b" is already defined',
        ),
        (
            ["/cache", "/cache"],
            "adding cache volume: updating managed volumes list: "
            'volume for container path "/cache" is already defined',
        ),
        (["/a:/"], "adding host volume: defining absolute path: build directory needs to be a non-root path"),
        (["/"], "adding cache volume: defining absolute path: build directory needs to be a non-root path"),
    ],
)
def test_volumes_that_cannot_be(volumes: list[str], words: str) -> None:
    """The job fails with gitlab-runner's words."""
    with pytest.raises(BuildError) as caught:
        plan_volumes(docker_job(docker={"volumes": volumes}, variables={"X": "b"}), local=True)
    assert str(caught.value) == words
    assert caught.value.failure_reason == "runner_configuration_error"


@pytest.mark.parametrize(
    ("builds_dir", "volumes", "expected"),
    [
        ("/builds", [], False),
        ("/builds", ["/cache"], False),
        ("/builds", ["/builds"], False),
        ("/builds", ["/host:/builds"], True),
        ("/builds", ["vol:/builds:ro"], True),
        ("/builds/a", ["/host:/builds"], True),
        ("/builds", ["/host:/builds/a"], False),
        ("/builds", ["/host:/$B"], True),
        ("/builds", ["/host:/builds", "not:read"], True),
    ],
)
def test_shared_builds_dirs(builds_dir: str, volumes: list[str], expected: bool) -> None:
    """A bind that equals or contains the builds directory; entries after it are not read (1.1 step 5)."""
    assert is_shared_builds_dir(builds_dir, volumes, lambda text: text.replace("$B", "builds")) is expected


@pytest.mark.parametrize(
    ("builds_dir", "volumes", "words"),
    [
        ("builds", [], "build directory needs to be an absolute path"),
        ("/", [], "build directory needs to be a non-root path"),
        ("/a/..", [], "build directory needs to be a non-root path"),
        ("/builds", ["no:way"], 'invalid volume specification: "no:way"'),
        ("/builds", [""], 'invalid volume specification: ""'),
    ],
)
def test_builds_dirs_that_cannot_be(builds_dir: str, volumes: list[str], words: str) -> None:
    """The job fails before anything is made."""
    with pytest.raises(BuildError) as caught:
        is_shared_builds_dir(builds_dir, volumes, lambda text: text)
    assert str(caught.value) == words
    assert caught.value.failure_reason == "runner_configuration_error"


def test_names_tell_projects_and_jobs_apart() -> None:
    """By the whole token, and by the job's marker: an id that comes again is another job."""
    one, other = docker_job(), docker_job(runner={"token": "glrt-t1_abcdefghijkX"})
    assert project_name(one) == f"runner-{OWNER}"
    assert project_name(one) != project_name(other)
    assert temporary_name(one) == temporary_name(docker_job())
    assert temporary_name(one).startswith("execute_1_3_4711-")


def test_a_root_with_a_colon_cannot_be_mounted() -> None:
    """The engine's syntax would read it as something else."""

    with pytest.raises(BuildError, match="colon"):
        plan_volumes(docker_job(Path("/srv/a:b")), local=True)
