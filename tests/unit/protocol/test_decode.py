"""JSON by the rules a Go runner decodes with (runner-api.md 0.4)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.errors import PayloadError
from pyrunner.protocol.decode import decode


@dataclass(frozen=True)
class Part:
    name: str = ""
    size: int = 0


@dataclass(frozen=True)
class Whole:
    text: str = ""
    count: int = 0
    on: bool = False
    share: float = 0.0
    maybe: bool | None = None
    words: list[str] = field(default_factory=list)
    fixed: tuple[str, ...] = ()
    part: Part = field(default_factory=Part)
    parts: list[Part] = field(default_factory=list)
    table: dict[str, Part] = field(default_factory=dict)
    nested: dict[str, dict[str, Any]] = field(default_factory=dict)
    either: bool | list[str] = False
    anything: Any = None
    renamed: str = field(default="", metadata={"key": "other-name"})
    ours: str = field(default="mine", init=False)


def test_every_kind_of_value() -> None:
    """Each value arrives in its field, tables and lists with what is in them."""
    decoded = decode(
        Whole,
        {
            "text": "a",
            "count": 3,
            "on": True,
            "share": 1,
            "maybe": False,
            "words": ["x", "y"],
            "fixed": ["z"],
            "part": {"name": "p", "size": 1},
            "parts": [{"name": "q"}],
            "table": {"k": {"size": 2}},
            "nested": {"k": {"any": [1]}},
            "either": ["java"],
            "anything": {"free": 1},
            "other-name": "r",
        },
    )
    assert decoded == Whole(
        *("a", 3, True, 1.0, False, ["x", "y"], ("z",), Part("p", 1), [Part("q")], {"k": Part("", 2)}),
        *({"k": {"any": [1]}}, ["java"], {"free": 1}, "r"),
    )


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"TEXT": "a"}, "a"),
        ({"Text": "a", "text": "b"}, "b"),
        ({"text": "b", "Text": "a"}, "b"),
        ({"TEXT": "a", "Text": "b"}, "a"),
        ({"text ": "a"}, ""),
    ],
)
def test_keys_match_exactly_else_without_regard_to_case(sent: dict[str, str], text: str) -> None:
    """An exact match wins wherever it stands."""
    assert decode(Whole, sent).text == text


@pytest.mark.parametrize("key", Whole.__dataclass_fields__)
def test_null_equals_absent(key: str) -> None:
    """Rails sends null where it has nothing: the zero value, or here the default."""
    assert decode(Whole, {key: None}) == Whole()


def test_null_for_everything() -> None:
    """Also the whole body may be null."""
    assert decode(Whole, None) == Whole()


def test_null_within_lists_and_tables() -> None:
    """An element that is null has the zero value of its type."""
    decoded = decode(
        Whole, {"words": ["a", None], "parts": [None], "table": {"k": None}, "nested": {"k": None}}
    )
    assert decoded == Whole(words=["a", ""], parts=[Part()], table={"k": Part()}, nested={"k": {}})


def test_unknown_keys_are_passed_over() -> None:
    """A newer coordinator sends more than is known here."""
    assert decode(Whole, {"later": [1], "part": {"later": 1}}) == Whole()


def test_what_is_the_runners_own_cannot_be_sent() -> None:
    """A field that only the runner sets keeps its value whatever is sent."""
    assert decode(Whole, {"ours": "theirs"}).ours == "mine"


@pytest.mark.parametrize(
    ("sent", "where", "says"),
    [
        ([], "", "expected an object, got a list"),
        ("x", "", "expected an object, got a string"),
        ({"text": 1}, "text", "expected a string, got an integer"),
        ({"TEXT": 1}, "text", "expected a string"),
        ({"count": "1"}, "count", "expected an integer, got a string"),
        ({"count": 1.0}, "count", "expected an integer, got a number"),
        ({"count": True}, "count", "expected an integer, got a boolean"),
        ({"on": 1}, "on", "expected a boolean"),
        ({"on": "true"}, "on", "expected a boolean"),
        ({"share": "0.5"}, "share", "expected a number"),
        ({"share": True}, "share", "expected a number"),
        ({"words": "x"}, "words", "expected a list, got a string"),
        ({"words": ["x", 2]}, "words[1]", "expected a string"),
        ({"part": []}, "part", "expected an object, got a list"),
        ({"parts": [{}, {"size": "x"}]}, "parts[1].size", "expected an integer"),
        ({"table": {"k": {"name": 1}}}, "table.k.name", "expected a string"),
        ({"table": []}, "table", "expected an object"),
        ({"maybe": "no"}, "maybe", "expected a boolean"),
        ({"either": 1}, "either", "expected a boolean"),
        ({"other-name": 1}, "other-name", "expected a string"),
    ],
)
def test_a_wrong_type_anywhere_fails_the_whole_body(sent: object, where: str, says: str) -> None:
    """The error names the place, in the coordinator's words."""
    with pytest.raises(PayloadError) as caught:
        decode(Whole, sent)
    assert caught.value.where == where
    assert says in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["part", "PARTS", "words", "name", "table"]), inner)
        ),
    )
)
def test_any_json_decodes_or_names_what_is_wrong(value: object) -> None:
    """Nothing that a coordinator can send ends in another exception."""
    with contextlib.suppress(PayloadError):
        assert isinstance(decode(Whole, value), Whole)
