"""The file of ``--env-file``, as gitlab-runner and our own scripts write it (job-execution.md 7.5)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrunner.errors import UsageError
from pyrunner.helper.remote.envfile import read_env_file

#: What godotenv escapes between double quotes.
_ESCAPED = str.maketrans(
    {"\\": "\\\\", "\n": "\\n", "\r": "\\r", '"': '\\"', "!": "\\!", "$": "\\$", "`": "\\`"}
)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_value_comes_back(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    """Whatever is between the quotes."""
    file = tmp_path_factory.getbasetemp() / "variables"
    file.write_bytes(f'A="{value.translate(_ESCAPED)}"\nB="x"\n'.encode())
    assert read_env_file(str(file)) == {"A": value, "B": "x"}


def test_other_lines(tmp_path: Path) -> None:
    """Comments, empty lines, words without quotes, an export."""
    file = tmp_path / "variables"
    file.write_text('# comment\n\nA=plain\nexport B="x y"\nC=\n')
    assert read_env_file(str(file)) == {"A": "plain", "B": "x y", "C": ""}


def test_no_file() -> None:
    """No name, no variables; a name without a file is an error."""
    assert read_env_file("") == {}
    with pytest.raises(UsageError, match="failed to read env file: open /nonexistent: no such file"):
        read_env_file("/nonexistent")


def test_a_broken_line_is_named_not_shown(tmp_path: Path) -> None:
    """What is in it may be secret."""
    file = tmp_path / "variables"
    file.write_text('A="x"\nSECRET\n')
    with pytest.raises(UsageError) as caught:
        read_env_file(str(file))
    assert f"{file}:2:" in str(caught.value)
    assert "SECRET" not in str(caught.value)
