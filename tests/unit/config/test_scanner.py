"""Places of keys in TOML text."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pyrunner.config.render import render_key, render_value
from pyrunner.config.scanner import Layout, scan
from pyrunner.config.syntax import parse_toml

TRICKY = '''\ufeff# [not.a.table]
a = "# no comment" # [[nor.this]]
"b.c" = 'x = 1'
d = """
[fake]
key = 1 # \\"""
"""
e = \'\'\'
[[fake]]
\'\'\'
f = [ # ]
  1, "]", [2, """]"""],
  { g = "}", h.i = 2 }, # }
]
j.k . l = 1979-05-27 07:32:00Z # when

  [ m . "n o" ]
p = {q = 1, # {
 r = 2,
}
[[s]]
[s.t]
u = 1
[[s]]
[[s.v]]
w = 1
[[s.v]]
w = """"quoted""""
[s.v.x]
y = true
'''


def _text_at(text: str, offset: int, length: int = 6) -> str:
    return text[offset : offset + length]


def test_strings_comments_and_brackets_do_not_mislead() -> None:
    """Nothing inside a string or a comment is taken for a table, a key or an end."""
    parse_toml(TRICKY)
    layout = scan(TRICKY)
    found = {path: _text_at(TRICKY, offset, 3) for path, offset in layout.places.items()}
    assert found[("a",)] == "a ="
    assert found[("b.c",)] == '"b.'
    assert found[("d",)] == "d ="
    assert found[("f", 1)] == '"]"'
    assert found[("f", 2, 0)] == "2, "
    assert found[("f", 3, "h", "i")] == "i ="
    assert found[("j", "k", "l")] == "l ="
    assert found[("m", "n o")] == "[ m"
    assert found[("m", "n o", "p", "r")] == "r ="
    assert found[("s", 0, "t", "u")] == "u ="
    assert found[("s", 1, "v", 1, "w")] == "w ="
    assert found[("s", 1, "v", 1, "x", "y")] == "y ="
    assert not any("fake" in path for path in found)
    assert [header.path for header in layout.headers] == [
        ("m", "n o"),
        ("s", 0),
        ("s", 0, "t"),
        ("s", 1),
        ("s", 1, "v", 0),
        ("s", 1, "v", 1),
        ("s", 1, "v", 1, "x"),
    ]


def test_value_ends_where_it_ends() -> None:
    """The span of a value holds all of it and nothing after it."""
    layout = scan(TRICKY)

    def value(*path: str | int) -> str:
        span = layout.values[path]
        return TRICKY[span.start : span.end]

    assert value("a") == '"# no comment"'
    assert value("j", "k", "l") == "1979-05-27 07:32:00Z"
    assert value("s", 1, "v", 1, "w") == '""""quoted""""'
    assert value("f", 2) == '[2, """]"""]'
    assert value("m", "n o", "p").endswith("}")


def test_place_counts_lines_and_columns_from_one() -> None:
    """Line and column are what an editor shows; what is not written has the place of its table."""
    layout = scan("a = 1\r\n  [t]\r\n    k = 2\r\n")
    assert layout.place(("a",)) == (1, 1)
    assert layout.place(("t",)) == (2, 3)
    assert layout.place(("t", "k")) == (3, 5)
    assert layout.place(("t", "absent", 3)) == (2, 3)
    assert layout.place(("absent",)) == (0, 0)


_KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=6)
_SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12),
)
_COMMENTS = st.sampled_from(["", " # [x]", ' # "', " # ''' {", " # a = 1"])


@st.composite
def _documents(draw: st.DrawFn) -> tuple[str, dict[tuple[str | int, ...], Any]]:
    """Return text and every key and list item that was written, with its value."""
    written: dict[tuple[str | int, ...], Any] = {}
    lines: list[str] = []

    def pairs(table: tuple[str | int, ...]) -> None:
        for key, value in draw(
            st.dictionaries(_KEYS, _SCALARS | st.lists(_SCALARS, max_size=3), max_size=3)
        ).items():
            written[(*table, key)] = value
            text = render_value(value)
            if isinstance(value, str) and "'" not in value and value.isprintable() and draw(st.booleans()):
                text = f"'''{value}'''"
            if isinstance(value, list):
                written.update({(*table, key, index): one for index, one in enumerate(value)})
                text = "[ # ]\n" + "".join(f"  {render_value(one)} , # [\n" for one in value) + "]"
            lines.append(f"{render_key(key)} = {text}{draw(_COMMENTS)}")

    pairs(())
    names = draw(st.lists(_KEYS, unique=True, max_size=3))
    for number, name in enumerate(names):
        name = f"{number}{name}"  # apart from the keys above
        if (name,) in written:
            continue
        for index in range(draw(st.integers(0, 2))):
            lines.append(f"  [[ {render_key(name)} ]]{draw(_COMMENTS)}")
            pairs((name, index))
    return "\n".join(lines) + "\n", written


@settings(deadline=None)
@given(_documents())
def test_finds_every_key_and_nothing_else(document: tuple[str, dict[tuple[str | int, ...], Any]]) -> None:
    """Each key and item of a random document is found, and its span holds exactly its value."""
    text, written = document
    tomllib.loads(text)
    layout = scan(text)
    assert set(layout.values) == set(written)
    for path, value in written.items():
        span = layout.values[path]
        assert parse_toml(f"k = {text[span.start : span.end]}")["k"] == value
        assert span.key <= span.start <= span.end


@settings(deadline=None)
@given(st.text(max_size=60))
def test_ends_on_any_text(text: str) -> None:
    """Text that no parser accepted does not hang or break the scanner."""
    assert isinstance(scan(text), Layout)
