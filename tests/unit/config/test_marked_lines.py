"""Lines that ``migrate`` adds, and takes out again without a trace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.config.load import parse_config
from pyrunner.config.marked_lines import MARK, add_source_path, remove_marked
from pyrunner.errors import ConfigError

ENTRY = '[[runners]]\n  name = "a" # ours\n  url = "https://h/"\n  executor = "shell"\n'
FILES = [
    ENTRY,
    ENTRY.rstrip("\n"),
    ENTRY.replace("\n", "\r\n"),
    "\ufeff# top\n" + ENTRY,
    ENTRY + "  [runners.cache]\n    Type = 's3'\n\n# the second\n" + ENTRY + "\n# the end\n",
    ENTRY + "  [runners.tristan]\n    root = '/x'\n\n" + ENTRY,
    ENTRY + "  [runners.tristan] # here",
    ENTRY + "  Tristan.root = '/x'\n  limit = 2\n",
    ENTRY + "  [[runners.docker.services]]\n    name = 'x'\n\n[session_server]\n  session_timeout = 3\n",
    ENTRY.replace("runners", "Runners"),
    "concurrent = 4\r\n" + ENTRY + 'x = """\n# added by pyrunner migrate?\n"""\n',
]


@pytest.mark.parametrize("text", FILES)
def test_there_and_back(text: str) -> None:
    """Every entry has the value after the way there; after the way back the bytes are the same."""
    data = text.encode()
    count = len(parse_config(data, {}).runners)
    there = add_source_path(data, range(count))
    assert [one.tristan.source_path for one in parse_config(there, {}).runners] == ["slot"] * count
    added = [line for line in there.splitlines() if line not in data.splitlines()]
    assert all(line.decode().endswith(MARK) for line in added)
    assert remove_marked(there) == data


@given(st.lists(st.sampled_from(FILES), min_size=1, max_size=3), st.sets(st.integers(0, 2)), st.booleans())
def test_any_entries_of_any_file(texts: list[str], chosen: set[int], crlf: bool) -> None:
    """Whichever entries are chosen, only they change, and the way back is exact."""
    text = "".join(one.lstrip("\ufeff").replace("Runners", "runners").rstrip("\n") + "\n" for one in texts)
    text = text.replace("\r\n", "\n").replace("[session_server]\n  session_timeout = 3\n", "")
    text = text.replace("concurrent = 4\n", "")
    data = (text.replace("\n", "\r\n") if crlf else text).encode()
    runners = parse_config(data, {}).runners
    chosen = {index for index in chosen if index < len(runners)}
    there = add_source_path(data, chosen)
    after = [one.tristan.source_path for one in parse_config(there, {}).runners]
    assert after == ["slot" if index in chosen else "branch" for index in range(len(runners))]
    assert remove_marked(there) == data


def test_a_value_that_is_there_stays() -> None:
    """Whoever has chosen keeps the choice."""
    data = (ENTRY + "  [runners.tristan]\n    Source_path = 'branch'\n").encode()
    assert add_source_path(data, [0]) == data


def test_what_others_wrote_into_the_table_stays() -> None:
    """A table that has got further keys keeps its header, without the mark."""
    there = add_source_path(ENTRY.encode(), [0]) + b"    root = '/x'\n"
    back = remove_marked(there)
    assert back == (ENTRY + "  [runners.tristan]\n    root = '/x'\n").encode()


def test_entries_added_meanwhile_stay() -> None:
    """The way back takes its own lines out of whatever the file has become."""
    there = add_source_path(ENTRY.encode(), [0]).replace(b"https://h/", b"https://i/") + ENTRY.encode()
    assert remove_marked(there) == (ENTRY.replace("https://h/", "https://i/") + ENTRY).encode()


def test_what_cannot_be_changed() -> None:
    """An inline table has no place for a line of its own: refused with the place, nothing half done."""
    data = (ENTRY + "  tristan = { root = '/x' }\n").encode()
    with pytest.raises(ConfigError, match=r"f\.toml:5:3: .*by hand"):
        add_source_path(data, [0], "f.toml")
    with pytest.raises(ConfigError, match="by hand"):
        add_source_path(b"runners = [{name = 'a'}]\n", [0])


def test_a_file_without_marks() -> None:
    """Nothing to remove, nothing changed."""
    assert remove_marked(ENTRY.encode()) == ENTRY.encode()
