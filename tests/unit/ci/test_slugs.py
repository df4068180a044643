"""Slugs, tiers and group names (gitlab-ci-yml.md 3.13, 5.4, 5.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.ci.slugs import environment_slug, group_name, slug, tier_of


@pytest.mark.parametrize(
    ("text", "made"),
    [("Feature/X_", "feature-x"), ("a--b", "a--b"), ("-" * 5, ""), ("x" * 70, "x" * 63), ("ü", "")],
)
def test_general(text: str, made: str) -> None:
    """Each other character is a dash, runs stay, 63 at most, none at the ends."""
    assert slug(text) == made


def test_cut_before_trimming() -> None:
    """A dash that the cut leaves at the end goes too."""
    assert slug("x" * 62 + "/y") == "x" * 62


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("prod", "prod"),
        ("Review/X", "review-x-y4bjvf"),
        ("review/feature-1", "review-feature-1-1q251u"),
    ],
)
def test_environment(name: str, made: str) -> None:
    """A name that had to change gets the end of its hash."""
    assert environment_slug(name) == made


@given(st.text(min_size=1))
def test_an_environment_slug_is_a_host_name(name: str) -> None:
    """Whatever the name: at most 24 of a-z, 0-9 and dash, beginning with a letter."""
    made = environment_slug(name)
    assert 0 < len(made) <= 24
    assert made[0] in "abcdefghijklmnopqrstuvwxyz"
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize(
    ("name", "tier"),
    [
        ("Production", "production"),
        ("prd-1", "production"),
        ("live", "production"),
        ("stg", "staging"),
        ("preview", "development"),
        ("qa", "testing"),
        ("eu", "other"),
    ],
)
def test_tiers(name: str, tier: str) -> None:
    """The first list with a match anywhere in the name decides."""
    assert tier_of(name) == tier


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("j 1/3", "j"),
        ("j: [a, b]", "j"),
        ("тест: [é, ü] 2/3", "тест"),
        ("a: b", "a: b"),
        ("build 2024", "build 2024"),
        ("j", "j"),
    ],
)
def test_groups(name: str, group: str) -> None:
    """What parallel appended is taken off."""
    assert group_name(name) == group
