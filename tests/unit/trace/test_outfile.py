"""A file that is written again as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyrunner.errors import DiskFull
from pyrunner.trace.outfile import OutputFile
from tests.unit.trace.disk import file_size_limit


def test_the_same_bytes_leave_the_file_alone(tmp_path: Path) -> None:
    """What is there already is compared, not written; what is new is appended."""
    path = tmp_path / "out"
    path.write_bytes(b"one two")
    inode, changed = path.stat().st_ino, path.stat().st_mtime_ns
    out = OutputFile(path)
    out.write(b"one")
    out.flush()
    out.write(b" two")
    out.flush()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (inode, changed)
    out.write(b" three")
    out.flush()
    assert path.read_bytes() == b"one two three"
    assert out.size == 13
    out.close()


def test_a_difference_is_written_anew(tmp_path: Path) -> None:
    """From the first byte that differs the file holds what was rendered now."""
    path = tmp_path / "out"
    path.write_bytes(b"one two three")
    out = OutputFile(path)
    out.write(b"one t")
    out.flush()
    out.write(b"en")
    out.flush()
    assert path.read_bytes() == b"one ten"
    out.close()


def test_finish_cuts_what_is_left_over(tmp_path: Path) -> None:
    """A file that was longer ends where its new content ends."""
    path = tmp_path / "out"
    path.write_bytes(b"one two three")
    out = OutputFile(path)
    out.write(b"one")
    out.finish()
    assert path.read_bytes() == b"one"
    out.close()


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """Bytes that found no room are written when there is some."""
    path = tmp_path / "out"
    out = OutputFile(path)
    out.write(b"x" * 100)
    with file_size_limit(60), pytest.raises(DiskFull, match="free disk space"):
        out.flush()
    out.write(b"y")
    out.flush()
    assert path.read_bytes() == b"x" * 100 + b"y"
    out.close()


def test_no_link_is_followed(tmp_path: Path) -> None:
    """A link in place of a file is refused; new files are private."""
    (tmp_path / "target").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(Exception, match="link"):
        OutputFile(tmp_path / "link")
    OutputFile(tmp_path / "new").close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
