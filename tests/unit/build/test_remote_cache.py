"""Object names, and which types there are (job-execution.md 7.5)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.build.remote_cache import ObjectNames, remote_cache, variable_of
from pyrunner.config.cache import CacheConfig
from pyrunner.errors import RemoteCacheError

DIGEST = "d03a852ba491ba611e907b1ef60ad5c4516a05b8f3aae6abb77f42bc60325aed"


def names(hashed: bool = False, **config: Any) -> ObjectNames:
    """Return the names of project 10 of runner ``token``."""
    return ObjectNames(CacheConfig(**config), "token", 10, hashed)


@pytest.mark.parametrize(
    ("config", "key", "expected"),
    [
        ({}, "key", "runner/token/project/10/key"),
        ({"path": "whatever"}, "key", "whatever/runner/token/project/10/key"),
        ({"path": "a/b/"}, "key", "a/b/runner/token/project/10/key"),
        ({"path": "/a"}, "key", "/a/runner/token/project/10/key"),
        ({"path": "//a"}, "key", "/a/runner/token/project/10/key"),
        ({"shared": True}, "key", "project/10/key"),
        ({"shared": True, "path": "p"}, "a/b", "p/project/10/a/b"),
        ({}, "../10/key", "runner/token/project/10/key"),
        ({}, "/key", "runner/token/project/10/key"),
    ],
)
def test_plain_names(config: dict[str, Any], key: str, expected: str) -> None:
    """Path, runner and project in front of the key, joined as Go does."""
    assert names(**config).name(key) == expected


def test_hashed_names_are_spread() -> None:
    """Two digits of the digest come in front; for the other scheme it is the other way."""
    hashed = "runner/token/project/10/d0/" + DIGEST
    assert names(hashed=True).name(DIGEST) == hashed
    assert names(hashed=True).name("plain", alternate=True) == "runner/token/project/10/plain"
    assert names().name(DIGEST, alternate=True) == hashed


@pytest.mark.parametrize("key", ["..", "../10", "../10-outside", "../11/key", "a/../..", "."])
def test_no_key_leaves_the_project(key: str) -> None:
    """A key that names another project's object, or the folder itself, is refused."""
    with pytest.raises(RemoteCacheError, match="outside of project bucket"):
        names().name(key)


@pytest.mark.parametrize("key", ["", "a"])
def test_keys_that_are_none(key: str) -> None:
    """An empty key, and one too short to be spread."""
    with pytest.raises(RemoteCacheError, match=r"Empty cache key|too short to shard"):
        names(hashed=True).name(key)


def make(config: CacheConfig) -> object:
    """Return the remote cache of a configuration."""
    return remote_cache(config, short_token="t", project_id=1, timeout=60, hashed_keys=False)


def test_without_a_type_there_is_none() -> None:
    """Only the local cache is meant."""
    assert make(CacheConfig()) is None


@pytest.mark.parametrize("kind", ["S3", "swift"])
def test_other_types_are_refused(kind: str) -> None:
    """The words of gitlab-runner; case counts."""
    with pytest.raises(
        RemoteCacheError, match=f'cache factory not found: factory for cache adapter "{kind}"'
    ):
        make(CacheConfig(type=kind))


def test_the_helper_finds_urls_by_their_flags_name() -> None:
    """One rule for both sides."""
    assert variable_of("--alternate-head-url") == "PYRUNNER_CACHE_ALTERNATE_HEAD_URL"
