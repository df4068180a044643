"""Globs of allowed images match as doublestar's do (docker-executor.md 3.1)."""

from __future__ import annotations

import pytest

from pyrunner.executors.docker.images.doublestar import matches

REGISTRY = "my.tld/group/sub/ruby:2.1"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", (True, False, False)),
        ("**/*", (True, True, True)),
        ("*/*:*", (False, True, False)),
        ("my.tld/**/*:*", (False, False, True)),
        ("my.tld/*/*:*", (False, False, False)),
    ],
)
def test_the_table_of_the_specification(pattern: str, expected: tuple[bool, bool, bool]) -> None:
    """Names are compared as they are written: ``*`` stops at ``/``, ``**`` spans segments."""
    names = ("ruby:2.1", "library/ruby:2.1", REGISTRY)
    assert tuple(matches(pattern, one) for one in names) == expected


@pytest.mark.parametrize(
    ("image", "pattern", "allowed"),
    [
        ("alpine", "alpine", True),
        ("alpine", "ubuntu", False),
        ("library/ruby", "**/*:*", False),
        ("library/ruby", "*/*", True),
        ("library/ruby:2.1", "*/*", True),
        ("my.registry.tld/group/subgroup/ruby", "my.registry.tld/**/*", True),
        ("my.registry.tld/group/subgroup/ruby", "my.registry.tld/*/*", False),
        ("my.registry.tld/group/subgroup/ruby", "my.registry.tld/*/*/*", True),
        ("my.registry.tld/group/subgroup/ruby:2.1", "my.registry.tld/*/*/*:*", True),
        ("my.registry.tld/library/ruby:2.1", "my.registry.tld/*/*:*", True),
        ("my.registry.tld/ruby:2.1", "*", False),
        ("ruby:latest", "**/*", True),
        ("gitlab/gitlab-runner-helper", "alpine", False),
    ],
)
def test_cases_known_of_gitlab_runner(image: str, pattern: str, allowed: bool) -> None:
    """What gitlab-runner allows is allowed, and nothing else."""
    assert matches(pattern, image) is allowed


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[e-g]", "abc", False),
        ("ab[^c]", "abc", False),
        ("ab[!e-g]", "abc", True),
        ("[a-b-d]", "-", True),
        ("[a-b-d]", "c", False),
        ("[-x]", "-", True),
        ("[x-]", "-", True),
        ("[\\]a]", "]", True),
        ("[\\-x]", "a", False),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("a?b", "a☺b", True),
        ("a?b", "a/b", False),
        ("a*b", "a/b", False),
        ("[a-ζ]*", "α", True),
        ("*x", "xxx", True),
        ("**", "a/b/c", True),
        ("a/**", "a", True),
        ("a/**", "a/b/c", True),
        ("a/**/", "a", True),
        ("a*/**", "a", False),
        ("a*/**", "ab", True),
        ("a*/**", "a/b", True),
        ("a***", "a", False),
        ("a***", "ab", True),
        ("**/c", "c", True),
        ("**/c", "a/b/c", True),
        ("**/c", "abcd", False),
        ("**/c", "a/abc", False),
        ("a/**/d", "a/b/c/d", True),
        ("a/**/b", "a/b", True),
        ("abc**", "abc/b", False),
        ("ab{c,d,*}", "abcde", True),
        ("a{,bc}", "a", True),
        ("a{,bc}", "abc", True),
        ("a{,bc}", "ab", False),
        ("{a/{b,c},abc}", "a/c", True),
        ("{a/{b,c},abc}", "a/b/c", False),
        ("**/{a,b}", "a/b", True),
        ("f/\\{a,b\\}/{c,other*}", "f/{a,b}/c", True),
        ("{registry.tld/**,alpine}:*", "alpine:3", True),
        ("a,b", "a,b", True),
        ("e/]", "e/]", True),
        ("", "", True),
        ("*", "a\nb", True),
        (".*", "xy", False),
        ("a+", "aa", False),
        ("(a|b)", "a", False),
    ],
)
def test_facts_of_doublestar(pattern: str, name: str, expected: bool) -> None:
    """Classes, escapes, braces and both stars mean what they mean to doublestar."""
    assert matches(pattern, name) is expected


@pytest.mark.parametrize("pattern", ["[", "a[", "[^", "[^bc", "[]a]", "a{b", "ab{c,d}[", "\\", "!alpine"])
def test_malformed_patterns_allow_nothing(pattern: str) -> None:
    """A pattern that cannot be read lets nobody in; an exclamation mark denies nothing and allows nothing."""
    for name in ("a", "ab", "abc", "alpine", "["):
        assert not matches(pattern, name)


def test_alternatives_before_a_malformed_one_count() -> None:
    """``{alpine,[}`` allows alpine, ``{[,alpine}`` does not: alternatives are tried in order."""
    assert matches("{alpine,[}", "alpine")
    assert not matches("{[,alpine}", "alpine")


def test_an_inverted_class_never_spans_segments() -> None:
    """``[!x]`` does not match ``/``: a pattern cannot allow more than its writer sees."""
    assert not matches("a[!x]b", "a/b")
    assert not matches("*[!x]*", "evil.tld/image")


def test_too_many_alternatives_allow_nothing() -> None:
    """A pattern that stands for thousands of others is not worked out."""
    assert not matches("{a,b}" * 14, "a" * 14)
    assert matches("{a,b}" * 8, "a" * 8)


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_names_that_are_none_match_nothing(name: str) -> None:
    """NUL and lone surrogates, which a payload can hold, are refused, not stumbled over."""
    assert not matches("**", name)
