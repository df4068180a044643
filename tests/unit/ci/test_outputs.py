"""Cache keys and artifacts beyond the acceptance cases (gitlab-ci-yml.md 3.11, 3.12)."""

from __future__ import annotations

from typing import Any

import pytest

from pyrunner.ci.outputs import artifact_entries, cache_entries, published_folder
from pyrunner.ci.source import load_source
from pyrunner.ci.tree import Map
from tests.support.known_files import KnownFiles

FILES = KnownFiles(blobs={"a": "1", "b": "1"}, commits={"a": "c1", "b": "c2"})


def read(text: str) -> Any:
    """Return a YAML text as the compiler has it."""
    return load_source(text, "f").content


@pytest.mark.parametrize(
    ("key", "made"),
    [
        ("{files: [a, b]}", "0_a_b-356a192b7913b04c54574d18c28d46e6395428ab"),
        ("{files_commits: [a]}", "0-2f22765d04931a078909145ca628d2264c852d7d"),
        ("{files_commits: [b, a], prefix: p}", "p-9888ee41eef366a55711d58219c94b94486ad816"),
        ("{files: [x.y.z]}", "0_x-default"),
        ("$CI_JOB_NAME", "$CI_JOB_NAME"),
        ("", "default"),
    ],
)
def test_keys(key: str, made: str) -> None:
    """Equal blobs count once, names are cut at the first dot, commits have the index as prefix."""
    found = cache_entries(read(f"{{key: {key}, paths: [x]}}"), FILES)
    assert [one["key"] for one in found] == [made]


def test_the_counter_goes_before_the_suffix() -> None:
    """Keys and fallback keys alike; ``unprotect`` takes the suffix off only."""
    text = "l: [{key: k, fallback_keys: [f]}, {key: u, unprotect: true}]"
    found = cache_entries(read(text)["l"], FILES, counter=3, protected=False)
    assert [one["key"] for one in found] == ["k-3-non_protected", "u-3"]
    assert found[0]["fallback_keys"] == ["f-3-non_protected"]


@pytest.mark.parametrize(
    ("name", "text", "folder"),
    [
        ("pages", "{}", "public"),
        ("pages", "{pages: false}", ""),
        ("pages", "{publish: out}", "out"),
        ("site", "{pages: true}", "public"),
        ("site", "{pages: {publish: web}}", "web"),
        ("site", "{}", ""),
    ],
)
def test_published_folder(name: str, text: str, folder: str) -> None:
    """A job is a pages job by its name or by saying so."""
    assert published_folder(name, read(text)) == folder


def test_a_published_folder_is_not_said_twice() -> None:
    """A path that is there already stays once."""
    found = artifact_entries("pages", read("{artifacts: {paths: [public, x]}}"))
    assert found is not None
    assert found[0]["paths"] == ["public", "x"]


def test_no_archive_without_paths() -> None:
    """Neither a name nor an expiry makes an archive; ``untracked`` does (7.4)."""
    assert artifact_entries("j", Map()) is None
    assert artifact_entries("j", read("{artifacts: {name: x, expire_in: 1 day}}")) == []
    found = artifact_entries("j", read("{artifacts: {untracked: true, exclude: [a]}}"))
    assert found is not None
    assert (found[0]["artifact_type"], found[0]["exclude"]) == ("archive", ["a"])
