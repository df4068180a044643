"""What the documentation names exists: links, make targets, commands, flags, keys."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import tomllib
from pathlib import Path

import click
import pytest

from pyrunner.cli.group import RunnerCommand
from pyrunner.cli.main import COMMANDS
from pyrunner.cli.session import GLOBAL_FLAGS
from pyrunner.config.load import parse_config
from pyrunner.config.tables import Tristan
from pyrunner.protocol.feature_flags import FLAGS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|[\s`/=])(?:\.venv/bin/python )?(?:pyrunner|register\.py) ([^`\n|]*)")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings as GitLab makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def shown_commands(text: str) -> list[list[str]]:
    """Return the words behind ``pyrunner`` wherever a page shows a call of it."""
    code = [body for language, body in _FENCE.findall(text) if language in ("sh", "ini")]
    code += re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))
    calls = [found.group(1).split() for one in code for found in _COMMAND.finditer(one)]
    return [words for words in calls if words]


def flags_of(name: str) -> set[str]:
    """Return every spelling of a command's flags."""
    entry = COMMANDS[name]
    command = getattr(importlib.import_module(entry.module), entry.attribute)
    assert isinstance(command, click.Command)
    spelled = {"--help", "-h"}
    if isinstance(command, RunnerCommand):
        return spelled | {one for flag in command.flags for one in flag.spelled}
    options = [one for one in command.params if isinstance(one, click.Option)]
    return spelled | {name for one in options for name in (*one.opts, *one.secondary_opts)}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the project leads to one, and each anchor to a heading."""
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path)
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_exist(page: Path) -> None:
    """A target that a page tells to make is in the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in re.findall(
        r"(?:`|^ *|\w=\S+ )make ([a-z][a-z -]*?)(?:`|\s{2,}|$)", page.read_text(), re.MULTILINE
    ):
        missing = set(words.split()) - targets
        assert not missing, f"make {words}: no such target"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_and_flags_exist(page: Path) -> None:
    """A call that a page shows has a command and flags that the program knows."""
    global_flags = {one for flag in GLOBAL_FLAGS for one in flag.spelled} | {
        "--version",
        "-v",
        "--help",
        "-h",
    }
    for words in shown_commands(page.read_text()):
        if words[0].startswith("-"):
            # Of register.py, or of the program itself.
            assert words[0] in global_flags | flags_of("register"), words
            continue
        if not re.fullmatch(r"[a-z][a-z-]*", words[0]):
            continue
        assert words[0] in COMMANDS, f"pyrunner {words[0]}: no such command"
        for word in words[1:]:
            if word.startswith("-"):
                flag = word.partition("=")[0]
                assert flag in flags_of(words[0]), f"pyrunner {words[0]} has no {flag}"


def test_readme_begins_with_what_does_everything() -> None:
    """After the title and one sentence come the two commands: nobody has to look for them."""
    text = (ROOT / "README.md").read_text()
    language, body = _FENCE.findall(text)[0]
    before = text[: text.index("```")].strip().split("\n\n")
    assert len(before) == 2, "a title and one paragraph"
    assert language == "sh"
    assert [line.split("#")[0].strip() for line in body.splitlines()] == ["make demo", "make test"]


def test_readme_has_every_command() -> None:
    """The table of commands is that of the program, row by row, and so are the flags it mentions."""
    text = (ROOT / "README.md").read_text()
    rows = dict(re.findall(r"^\| `pyrunner ([a-z-]+)` \| (.+) \|$", text, re.MULTILINE))
    assert set(rows) == {name for name, entry in COMMANDS.items() if not entry.hidden}
    for name, does in rows.items():
        for flag in re.findall(r"`(--[a-z-]+)`", does):
            assert flag in flags_of(name), f"pyrunner {name} has no {flag}"


def test_toml_examples_are_good_configuration() -> None:
    """Each piece of config.toml on a page loads, without an unknown key."""
    for page in PAGES:
        for language, body in _FENCE.findall(page.read_text()):
            if language != "toml":
                continue
            text = f"[[runners]]\n{body}" if "[[runners]]" not in body else body
            assert parse_config(text.encode(), {}).unknown_keys == [], body
            assert tomllib.loads(text)


def test_every_key_of_tristan_is_described() -> None:
    """The table of docs/configuration.md has each key of [runners.tristan], and no other."""
    text = (ROOT / "docs" / "configuration.md").read_text()
    table = text.partition("## `[runners.tristan]`")[2]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert rows
    assert sorted(rows) == sorted(field.name for field in dataclasses.fields(Tristan))


def test_feature_flags_that_do_something() -> None:
    """The list of docs/configuration.md is what the code asks for; update it with the code."""
    text = (ROOT / "docs" / "configuration.md").read_text()
    part = text.partition("<!-- feature flags:")[2].partition("<!-- end of feature flags -->")[0]
    documented = set(re.findall(r"`(FF_\w+)`", part))
    asked: set[str] = set()
    for module in (ROOT / "pyrunner").rglob("*.py"):
        if module.name != "feature_flags.py":
            asked |= set(re.findall(r'"(FF_\w+)"', module.read_text()))
    assert documented == asked
    assert documented <= set(FLAGS)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_feature_flags_exist(page: Path) -> None:
    """A feature flag that a page names is one of gitlab-runner's."""
    assert set(re.findall(r"`(FF_\w+)`", page.read_text())) <= set(FLAGS)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_of_the_project_exist(page: Path) -> None:
    """A file of the project that a page names in code style is there."""
    for name in re.findall(r"`((?:pyrunner|tests|docs|examples)/[\w/.-]+)`", page.read_text()):
        assert (ROOT / name).exists(), name


def test_every_page_is_in_the_navigation() -> None:
    """A page that nobody can find is none; the decisions are listed by the site itself."""
    listed = re.findall(r"^ +- .+: ([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    there = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    made = {name for name in listed if name.startswith("project/")} | {"reference/messages.md"}
    assert len(listed) == len(set(listed))
    assert {name for name in there if not name.startswith("adr/")} == set(listed) - made


def test_messages_of_troubleshooting_exist() -> None:
    """Each message that docs/troubleshooting.md explains is one of the program's, to the word."""
    said = "\n".join(
        node.value
        for module in (ROOT / "pyrunner").rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    cells = re.findall(r"^\| (`.+?) \| ", page, re.MULTILINE)
    quoted = [one for cell in cells for one in re.findall(r"`([^`]+)`", cell)]
    assert len(quoted) > 60
    for message in quoted:
        for part in re.split(r"…|\.\.\.", message):
            assert part.strip() in said, f"{message}: nothing says {part.strip()!r}"
