"""References between variables: order, circles, what stays as written (gitlab-ci-yml.md 5.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.ci.variables import circular_references, expanded
from pyrunner.errors import PipelineError
from pyrunner.protocol.variables import Variable


def values(*pairs: tuple[str, str]) -> dict[str, str]:
    """Return what these variables are once expanded, the last of a name."""
    return {one.key: one.value for one in expanded([Variable(key, value) for key, value in pairs])}


@pytest.mark.parametrize(
    ("pairs", "name", "value"),
    [
        ([("A", "$B-x"), ("B", "${C}"), ("C", "%D%"), ("D", "d")], "A", "d-x"),
        ([("A", "x$A")], "A", "x$A"),
        ([("A", "yaml-$A"), ("A", "project")], "A", "yaml-project"),
        ([("A", "$NOPE ${B:-x} $1 $"), ("B", "b")], "A", "$NOPE ${B:-x} $1 $"),
        ([("A", "$$B %%B%% $B"), ("B", "b")], "A", "$$B %%B%% b"),
        ([("A", "$B"), ("B", "old"), ("B", "new")], "A", "new"),
    ],
)
def test_expansion(pairs: list[tuple[str, str]], name: str, value: str) -> None:
    """Chains are followed, protected and unknown references stay."""
    assert values(*pairs)[name] == value


def test_raw_and_file_variables_stay_references() -> None:
    """Neither their own text nor references to them are replaced."""
    found = expanded(
        [Variable("A", "$R $F"), Variable("R", "$X", raw=True), Variable("F", "secret", file=True)]
    )
    assert {one.key: one.value for one in found} == {"A": "$R $F", "R": "$X", "F": "secret"}


def test_a_long_chain_is_no_recursion() -> None:
    """Ten thousand variables that each use the next are followed to the end."""
    chain = [Variable(f"V{n}", f"$V{n + 1}") for n in range(10_000)] + [Variable("V10000", "end")]
    assert {one.value for one in expanded(chain)} == {"end"}


def test_values_that_double_are_refused() -> None:
    """Forty variables that each use the next twice would fill any memory."""
    chain = [Variable(f"V{n}", f"$V{n + 1}$V{n + 1}") for n in range(40)] + [Variable("V40", "x" * 10)]
    with pytest.raises(PipelineError, match="variables expand to more than 1 MiB"):
        expanded(chain)
    many = [Variable("BIG", "x" * 1_000_000), *(Variable(f"U{n}", "$BIG") for n in range(40))]
    with pytest.raises(PipelineError, match="variables expand to more than 16 MiB"):
        expanded(many)


NAMES = st.sampled_from("ABCDEF")
LISTS = st.lists(
    st.tuples(NAMES, st.lists(st.one_of(NAMES.map("${{{}}}".format), st.just("x")), max_size=4).map("".join)),
    max_size=10,
)


@given(LISTS)
def test_expansion_ends_and_keeps_every_variable(pairs: list[tuple[str, str]]) -> None:
    """Whatever refers to what: each entry comes out once, and without circles nothing is left to follow."""
    variables = [Variable(key, value) for key, value in pairs]
    found = expanded(variables)
    assert sorted(one.key for one in found) == sorted(one.key for one in variables)
    names = [one.key for one in variables]
    once = len(set(names)) == len(names)
    selfish = any(f"${{{key}}}" in value for key, value in pairs)
    if once and not selfish and not circular_references(variables):
        assert not any(f"${{{name}}}" in one.value for one in found for name in names)


@given(LISTS)
def test_a_circle_is_one(pairs: list[tuple[str, str]]) -> None:
    """Each name of a reported circle is referred to by a member of it."""
    circle = circular_references([Variable(key, value) for key, value in pairs])
    written = "".join(value for key, value in pairs if key in circle)
    assert all(f"${{{name}}}" in written for name in circle)
