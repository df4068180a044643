"""Names of refs and path segments as folders (tristan-layout.md 3)."""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.jobdir.names import host_folder, safe_child, safe_name

HARMLESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\Z")
#: Whatever a coordinator can send, with a leaning to what hurts.
ANY_NAME = st.one_of(
    st.text(),
    st.text(alphabet="./\\-~ \0\n:aA", min_size=1),
    st.lists(st.sampled_from(["..", ".", "/", "-", "x", "\0", "con", "A" * 120]), min_size=1).map("".join),
)


@pytest.mark.parametrize("name", ["master", "v1.2.3", "_x", "A-b_c.d", "a" * 100, "0"])
def test_harmless_names_are_kept(name: str) -> None:
    """What people are used to see stays readable."""
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("feature/x", "feature-x"),
        ("a//b  c", "a-b-c"),
        ("-dash", "dash"),
        (".hidden", "hidden"),
        ("x" * 101, "x" * 60),
        ("übung", "bung"),
        ("..", "_"),
        ("", "_"),
        ("/", "_"),
    ],
)
def test_other_names_get_a_slug_and_a_digest(name: str, slug: str) -> None:
    """One dash for each run of other characters, 60 of them, and 8 digits of the whole name's SHA-256."""
    assert safe_name(name) == f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@given(ANY_NAME)
def test_no_name_leaves_its_parent(name: str) -> None:
    """One path segment, not ``.`` or ``..``, no option to a command, short enough for every file system."""
    assert HARMLESS.match(safe_name(name))
    child = Path("/parent") / safe_name(name)
    assert child.parent == Path("/parent")
    assert child.resolve() == child


@given(ANY_NAME)
def test_a_name_is_always_the_same(name: str) -> None:
    """The folder is found again: it depends on the name alone, and a folder's name is its own."""
    assert safe_name(name) == safe_name(name)
    assert safe_name(safe_name(name)) == safe_name(name)


@given(st.lists(st.text(alphabet="aA/-.", min_size=1, max_size=6), unique=True, max_size=8))
def test_siblings_are_apart_where_case_is_folded(names: list[str]) -> None:
    """Whatever the order in which refs come, no two share a folder, and each finds its own again."""
    with tempfile.TemporaryDirectory() as folder:
        parent = Path(folder)
        places = []
        for name in names:
            places.append(safe_child(parent, name))
            places[-1].mkdir()
        assert len({place.name.casefold() for place in places}) == len(names)
        assert [safe_child(parent, name) for name in names] == places


@pytest.mark.parametrize(("first", "second"), [("main", "Main"), ("Main", "main"), ("MAIN", "Main")])
def test_the_second_of_two_that_differ_in_case_is_marked(tmp_path: Path, first: str, second: str) -> None:
    """The one that was there first keeps its plain name."""
    safe_child(tmp_path, first).mkdir()
    marked = safe_child(tmp_path, second)
    assert marked.name == f"{second}-{hashlib.sha256(second.encode()).hexdigest()[:8]}"
    assert safe_child(tmp_path, first) == tmp_path / first


def test_a_marked_name_stays_when_the_other_goes(tmp_path: Path) -> None:
    """A checkout is not lost because an unrelated branch was removed."""
    safe_child(tmp_path, "main").mkdir()
    marked = safe_child(tmp_path, "Main")
    marked.mkdir()
    (tmp_path / "main").rmdir()
    assert safe_child(tmp_path, "Main") == marked


def test_nothing_is_looked_up_below_a_parent_that_is_not_there(tmp_path: Path) -> None:
    """The first ref of a project gets its plain name."""
    assert safe_child(tmp_path / "missing", "Main") == tmp_path / "missing" / "Main"


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("https://gitlab.example.com/group/app.git", "gitlab.example.com"),
        ("https://gitlab-ci-token:secret@GitLab.Example.com:8443/group/app.git", "gitlab.example.com_8443"),
        ("ssh://git@host/app.git", "host"),
        ("file:///srv/app.git", "_"),
        ("/srv/app.git", "_"),
        ("https://host:port/app.git", "host"),
        ("https://[broken/app.git", "_"),
        ("", "_"),
    ],
)
def test_host_folder(url: str, folder: str) -> None:
    """The host in lower case, a port behind ``_``; never credentials, never a crash."""
    assert host_folder(url) == folder


@given(st.text(max_size=40))
def test_no_host_leaves_its_parent(text: str) -> None:
    """The address of a repository comes from the coordinator, hence from anybody."""
    assert HARMLESS.match(host_folder(f"https://{text}/x"))
