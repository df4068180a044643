"""The system id."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyrunner.config.system_id import generate_system_id, load_system_id
from pyrunner.errors import ConfigError

MACHINE_ID = "0123456789abcdef0123456789abcdef"
DERIVED = "s_ee3af03959fe"


@pytest.fixture
def machine_id(tmp_path: Path) -> Path:
    path = tmp_path / "machine-id"
    path.write_text(MACHINE_ID + "\n")
    return path


def test_derived_id_is_gitlab_runners(tmp_path: Path, machine_id: Path) -> None:
    """The machine id is the key of the digest; the first file that can be read counts."""
    assert generate_system_id([tmp_path / "absent", machine_id]) == DERIVED


def test_without_machine_id_the_id_is_random(tmp_path: Path) -> None:
    """Containers often have none, or an empty one."""
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for files in ([], [empty]):
        first, second = generate_system_id(files), generate_system_id(files)
        assert re.fullmatch(r"r_[0-9a-zA-Z]{12}", first)
        assert first != second


def test_id_is_stored_once(tmp_path: Path, machine_id: Path) -> None:
    """The first load makes the file (no newline, 0600, folder 0700); the next one reads it."""
    config = tmp_path / "new" / "config.toml"
    made = load_system_id(config, [machine_id])
    file = config.parent / ".runner_system_id"
    assert (made.value, made.created, made.warning) == (DERIVED, True, "")
    assert file.read_text() == DERIVED
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.write_text("r_AbCdEf123456 \n")
    read = load_system_id(config, [machine_id])
    assert (read.value, read.created) == ("r_AbCdEf123456", False)


@pytest.mark.parametrize("content", [b"", b"x_AbCdEf123456", b"s_AbCdEf12345", b"s_AbCdEf1234567", b"\xff"])
def test_invalid_content_is_replaced(tmp_path: Path, machine_id: Path, content: bytes) -> None:
    """Anything that is no id is replaced by a new one."""
    file = tmp_path / ".runner_system_id"
    file.write_bytes(content)
    assert load_system_id(tmp_path / "config.toml", [machine_id]).created
    assert file.read_text() == DERIVED


def test_folder_that_cannot_be_written_is_a_warning(tmp_path: Path, machine_id: Path) -> None:
    """The id serves for this start; the text tells how to store it."""
    (tmp_path / "file").touch()
    made = load_system_id(Path("/proc/nowhere/config.toml"), [machine_id])
    assert made.value == DERIVED
    assert "Couldn't save new system ID on state file." in made.warning
    assert f'echo "{DERIVED}" > "/proc/nowhere/.runner_system_id"' in made.warning


def test_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A new id would make a new machine of this one, so the command fails."""
    (tmp_path / ".runner_system_id").mkdir()
    with pytest.raises(ConfigError, match="cannot read the system ID"):
        load_system_id(tmp_path / "config.toml", [])
