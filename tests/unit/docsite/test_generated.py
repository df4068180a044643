"""Pages and pictures that are made from the code are what it makes now, and leave nothing out."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from docsite.fields import field_comments, markdown
from docsite.generated import generated_files
from docsite.messages import messages, messages_page
from docsite.pictures import pictures
from docsite.terminal import terminal_picture
from pyrunner.cli.main import COMMANDS
from pyrunner.config.model import Config

ROOT = Path(__file__).resolve().parents[3]
GENERATED = generated_files()


def tables(table: type[Any]) -> Iterator[type[Any]]:
    """Yield a dataclass and all that its fields hold."""
    yield table
    hints = typing.get_type_hints(table)
    for field in dataclasses.fields(table):
        if field.metadata.get("toml", field.name) is None:
            continue
        for one in (hints[field.name], *typing.get_args(hints[field.name])):
            if isinstance(one, type) and dataclasses.is_dataclass(one):
                yield from tables(one)


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_generated_files_are_up_to_date(name: str) -> None:
    """What stands below docs/ is what the code makes; `python -m docsite` writes it anew."""
    assert (ROOT / "docs" / name).read_text() == GENERATED[name], "run: python -m docsite"


@pytest.mark.parametrize("table", dict.fromkeys(tables(Config)), ids=lambda one: one.__name__)
def test_every_key_says_what_it_is_for(table: type[Any]) -> None:
    """Each key of config.toml has a comment in the model, which is its description in the reference."""
    comments, hints = field_comments(table), typing.get_type_hints(table)
    for field in dataclasses.fields(table):
        holds = (hints[field.name], *typing.get_args(hints[field.name]))
        inner = any(isinstance(one, type) and dataclasses.is_dataclass(one) for one in holds)
        if inner or "table" in field.metadata or field.metadata.get("toml", field.name) is None:
            continue
        assert comments.get(field.name), f"{table.__name__}.{field.name} needs a #: comment above it"


def test_the_reference_has_each_key_under_its_table() -> None:
    """A key is listed with the name that the file has, its type and what is in effect by default."""
    page = GENERATED["reference/configuration.md"]
    part = page.partition("## `[runners.cache.s3]`")[2].partition("\n## ")[0]
    assert "| `AssumeRoleMaxConcurrency` | number | `0` |" in part
    assert "| `check_interval` | number | `0` (`3`) |" in page
    assert "| `output_limit` | number | `0` (`4096`) |" in page
    assert '| `kill_grace` | duration | – (`"5m0s"`) |' in page
    assert "### `[runners.kubernetes]`" in page
    assert "| `volumes.host_path[].mount_path` | text |" in page


def test_the_reference_has_each_command() -> None:
    """Commands for people and those for ourselves, each with its own heading."""
    headings = re.findall(r"^## `pyrunner ([a-z-]+)`$", GENERATED["reference/commands.md"], re.MULTILINE)
    assert sorted(headings) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(pictures()))
def test_pictures_are_whole_and_load_nothing(name: str) -> None:
    """A picture is well-formed SVG with a title for who cannot see it, and no reference to elsewhere."""
    text = pictures()[name]
    root = ElementTree.fromstring(text)
    assert (root.findtext("{http://www.w3.org/2000/svg}title") or "").strip()
    assert "href" not in text
    assert text.count("http") == 1


def test_a_screen_shows_what_was_printed() -> None:
    """Each line is there, taken literally, and the picture is as wide as the longest of them."""
    text = terminal_picture("Title", "pyrunner ps", "a <b> & c\n" + "x" * 100 + "\n")
    lines = [one.text for one in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]
    assert lines == ["$ pyrunner ps", "a <b> & c", "x" * 100]
    assert float(ElementTree.fromstring(text).get("width", "0")) > 100 * 7


def test_messages_come_from_all_ways_of_speaking() -> None:
    """Exceptions, log lines and lines of the job log are found, with a hole for each value."""
    found = {(one.text, one.module) for one in messages()}
    assert ("another process holds …; end it and start again", "manager/business.py") in found
    assert ("No jobs are asked for: …", "manager/shortages.py") in found
    assert ("disallowed image", "executors/docker/images/allowlist.py") in found


def test_every_message_is_on_the_page() -> None:
    """No package's messages are left out, and most have a heading that says where they are seen."""
    page = messages_page()
    here = [one for one in messages() if one.module.split("/")[0] not in ("coordinator", "protocol")]
    assert [one for one in here if one.text not in page] == []
    elsewhere = page.partition("## Elsewhere\n")[2].splitlines()
    assert len(elsewhere) < len(here) / 20


def test_docstrings_become_markdown() -> None:
    """Literals keep their code style; references into the code and to our notes go."""
    text = "A ``[table]`` (config-and-commands.md 1.4); see :attr:`effective_x`."
    assert markdown(text) == "A `[table]`."
