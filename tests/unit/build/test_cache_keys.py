"""Cache keys: sanitised, hashed, refused (job-execution.md 7.1)."""

from __future__ import annotations

import hashlib
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.build.cache_keys import CacheKey, CacheKeys, UnusableKey, sanitised
from pyrunner.build.context import BuildContext
from tests.support.contexts import build_context, payload, variable


def find(key: str, context: BuildContext | None = None) -> tuple[CacheKey | None, list[str]]:
    """Return what comes of a key, and the warnings on the way."""
    context = context or build_context()
    warnings: list[str] = []
    return CacheKeys(context, context.variables, warnings.append).find(key), warnings


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("some-job/some-ref", "some-job/some-ref"),
        ("a/b/../c", "a/c"),
        ("../x", "x"),
        ("/foo//bar/.", "foo/bar"),
        ("//foo", "foo"),
        (".../foo", ".../foo"),
        ("foo/ /", "foo"),
        ("foo/ / \\  \\", "foo"),
        ("foo / \\o", "foo / /o"),
        ("\t foo bar \t\r", "\t foo bar"),
        (" foo / bar ", " foo / bar"),
        ("foo\u2003\u3000", "foo"),
        ("foo\x1f", "foo\x1f"),
        ("some%2f../job/%2E/x%2Fy", "job/x/y"),
        ("%2e%2E%2e", "..."),
        ("%5C", "%5C"),
        ("job\\name/git\\ref", "job/name/git/ref"),
        ("ä ö", "ä ö"),
        *((nothing, "") for nothing in ("..", "/", " ", ".", "\\", " / ", "../.", "foo/bar/../..", "%2E%2e")),
    ],
)
def test_sanitised(raw: str, expected: str) -> None:
    """Escapes decoded, dots resolved below a root, white space at the end gone."""
    assert sanitised(raw) == expected


@given(st.text(st.sampled_from("ab./\\ %2eEfF\t\u2003"), max_size=40))
def test_no_key_leaves_its_folder(raw: str) -> None:
    """Whatever a job makes of it; and what was sanitised stays as it is."""
    key = sanitised(raw)
    path = posixpath.normpath(f"/cache/{key}/cache.zip")
    assert path.startswith("/cache/")
    assert not key.startswith("/")
    assert ".." not in key.split("/")
    assert key == key.rstrip()


def test_names_of_a_key() -> None:
    """Shown and stored as it is; the hash is the other scheme's name; archives lie in the cache folder."""
    digest = hashlib.sha256(b"k-app").hexdigest()
    key, warnings = find("k-$NAME", build_context(job=payload(variables=[variable("NAME", "app")])))
    assert key == CacheKey(
        "k-app", "k-app", digest, "/cache/app/k-app/cache.zip", f"/cache/app/{digest}/cache.zip"
    )
    assert warnings == []


def test_hashed_keys() -> None:
    """Nothing is sanitised: the key is shown as it is; as a path its dots lead nowhere."""
    raw = "a/../../b "
    digest = hashlib.sha256(raw.encode()).hexdigest()
    key, warnings = find(raw, build_context(runner={"feature_flags": {"FF_HASH_CACHE_KEYS": True}}))
    assert key == CacheKey(raw, digest, raw, f"/cache/app/{digest}/cache.zip", "/cache/app/b /cache.zip")
    assert warnings == []


def test_what_was_changed_is_said() -> None:
    """In the words of gitlab-runner."""
    key, warnings = find("../a\t")
    assert key is not None
    assert key.shown == "a"
    assert warnings == ['cache key "../a\\t" sanitized to "a"']


def test_nothing_is_left() -> None:
    """Such a cache is skipped."""
    context = build_context()
    warnings: list[str] = []
    with pytest.raises(UnusableKey, match=r"^empty cache key$"):
        CacheKeys(context, context.variables, warnings.append).find("..")
    assert warnings == ['cache key ".." could not be sanitized']


@pytest.mark.parametrize(
    ("name", "ref", "expected"), [("test", "feature/x", "test/feature/x"), ("a/../b", "main", "b/main")]
)
def test_the_default_key(name: str, ref: str, expected: str) -> None:
    """Job name and ref, joined as a path."""
    job = payload(job_info={"name": name, "project_id": 7}, git_info={"ref": ref})
    key, warnings = find("", build_context(job=job))
    assert key is not None
    assert key.shown == expected
    assert warnings == []


def test_a_key_that_expands_to_nothing() -> None:
    """It is not the default key."""
    with pytest.raises(UnusableKey, match="empty cache key"):
        find("$UNSET")


def test_a_key_that_is_not_accepted() -> None:
    """It is judged as it is shown, and leaves no error even when empty."""
    context = build_context()
    judged: list[str] = []
    keys = CacheKeys(context, context.variables, judged.append)

    def refuse(key: str) -> bool:
        judged.append(f"judged {key!r}")
        return False

    assert keys.find("a/ ", refuse) is None
    assert judged == ["judged 'a'", 'cache key "a/ " sanitized to "a"']
