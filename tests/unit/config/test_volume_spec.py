"""Entries of ``volumes``: the forms that gitlab-runner takes, and others (docker-executor.md 7.1)."""

from __future__ import annotations

import pytest

from pyrunner.config.volume_spec import VolumeSpec, clean, contains, is_root, parse_volume

FORMS = {
    "/destination": VolumeSpec("", "/destination"),
    "/source:/destination": VolumeSpec("/source", "/destination"),
    "/destination:rw": VolumeSpec("", "/destination", "rw"),
    "/source:/destination:ro": VolumeSpec("/source", "/destination", "ro"),
    "/source:/destination:RO": VolumeSpec("/source", "/destination", "RO"),
    "/source:/destination:ro,z": VolumeSpec("/source", "/destination", "ro", "z"),
    "/source:/destination:ro,Z": VolumeSpec("/source", "/destination", "ro", "Z"),
    "/source:/destination:O": VolumeSpec("/source", "/destination", "O"),
    "/source:/destination:O,Z": VolumeSpec("/source", "/destination", "O", "Z"),
    "/source:/destination:z": VolumeSpec("/source", "/destination", "", "z"),
    "/source:/destination:rslave": VolumeSpec("/source", "/destination", "", "", "rslave"),
    "/source:/destination:ro,rslave": VolumeSpec("/source", "/destination", "ro", "", "rslave"),
    "/source:/destination:rw:rslave": VolumeSpec("/source", "/destination", "rw", "", "rslave"),
    "/source:/destination:ro,z,shared": VolumeSpec("/source", "/destination", "ro", "z", "shared"),
    "/my path:/container path:rw": VolumeSpec("/my path", "/container path", "rw"),
    "volume_name:/destination": VolumeSpec("volume_name", "/destination"),
    "/source:/some/$VAR/x": VolumeSpec("/source", "/some/$VAR/x"),
    "/source:/${r/$$-test/dir": VolumeSpec("/source", "/${r/$$-test/dir"),
    "/source:/": VolumeSpec("/source", "/"),
}


@pytest.mark.parametrize(("text", "spec"), FORMS.items())
def test_forms(text: str, spec: VolumeSpec) -> None:
    """Source, destination, mode, label and propagation are told apart."""
    assert parse_volume(text) == spec
    assert spec.is_bind == bool(spec.source)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "destination",
        "/source:/destination:T",
        "/source:/destination:rw:something",
        ":/destination",
        "/source:/destination:unknown",
        "/source:/destination:ro,unknown",
        "/source:/destination:,rslave",
        "/source:relative",
        "/source:$VAR/x",
        "/a//b",
        "/source:/destination\n",
        "C:\\builds:/x",
    ],
)
def test_other_forms(text: str) -> None:
    """All else is refused, quoted as Go does."""
    with pytest.raises(ValueError, match=r"^invalid volume specification: "):
        parse_volume(text)


def test_the_engine_gets_options_with_commas() -> None:
    """However they are separated in the file."""
    assert parse_volume("v:/d:rw:rslave").definition == "v:/d:rw,rslave"
    assert parse_volume("/s:/d").definition == "/s:/d"


def test_only_the_destination_is_expanded() -> None:
    """After the text has been split: a value with a colon makes no new part."""
    spec = parse_volume("/$V:/$V:ro", lambda text: text.replace("$V", "a:b"))
    assert spec == VolumeSpec("/$V", "/a:b", "ro")


def test_a_long_text_is_judged_at_once() -> None:
    """No text makes the expression try ever more ways: the test ends."""
    with pytest.raises(ValueError, match="invalid volume"):
        parse_volume("/" + "a" * 20_000 + ":/" + "b" * 20_000 + ":x")


@pytest.mark.parametrize(
    ("folder", "path", "expected"),
    [
        ("/builds", "/builds", True),
        ("/builds/", "/builds", True),
        ("/", "/builds", True),
        ("/builds", "/builds/x", True),
        ("/builds/x", "/builds", False),
        ("/build", "/builds", False),
        ("/a/../builds", "/builds/x", True),
    ],
)
def test_paths_in_paths(folder: str, path: str, expected: bool) -> None:
    """Whole segments count, in their shortest form."""
    assert contains(folder, path) is expected


def test_roots() -> None:
    """However the root is written."""
    assert is_root("/")
    assert is_root("/a/..")
    assert is_root("//")
    assert not is_root("/a")
    assert clean("/a//b/") == "/a/b"
