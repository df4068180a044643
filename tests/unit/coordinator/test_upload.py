"""Uploads are streamed, checked and limited."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pyrunner.coordinator.upload import UploadError, UploadReceiver

TYPE = "multipart/form-data; boundary=xyz"


def part(name: str, filename: str, content: bytes) -> bytes:
    """Return one part with its leading boundary."""
    disposition = f'form-data; name="{name}"; filename="{filename}"'
    return (
        f"--xyz\r\nContent-Disposition: {disposition}\r\n".encode()
        + b"Content-Type: application/octet-stream\r\n\r\n"
        + content
        + b"\r\n"
    )


END = b"--xyz--\r\n"


def receive(path: Path, body: bytes, limit: int = 1000, piece: int = 7) -> UploadReceiver:
    """Feed a body in small pieces."""
    receiver = UploadReceiver(TYPE, path, limit)
    for start in range(0, len(body), piece):
        receiver.write(body[start : start + piece])
    return receiver


def test_a_file_arrives_whole_whatever_the_pieces(tmp_path: Path) -> None:
    """Content, size, digest and name are those of the part; the file is private."""
    content = b"\r\n--xy" + bytes(range(256))
    received = receive(tmp_path / "f", part("file", "artifacts.zip", content) + END).finish()
    assert (tmp_path / "f").read_bytes() == content
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600
    assert (received.filename, received.size) == ("artifacts.zip", len(content))
    assert received.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..\\..\\passwd"])
def test_only_the_last_element_of_a_name_is_kept(tmp_path: Path, name: str) -> None:
    """A name from outside is no path."""
    received = receive(tmp_path / "f", part("file", name.replace("\\", "\\\\"), b"x") + END).finish()
    assert received.filename == "passwd"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (part("metadata", "a", b"x") + END, "metadata"),
        (part("file", "a", b"x") + part("file", "b", b"y") + END, "more than one part"),
        (part("file", "a", b"x"), "ends early"),
        (b"", "no file"),
        (b"no multipart at all", "malformed"),
    ],
)
def test_other_bodies_are_refused_and_leave_no_file(tmp_path: Path, body: bytes, reason: str) -> None:
    """One part, named `file`, complete (7.2)."""
    with pytest.raises(UploadError, match=reason) as caught:
        receive(tmp_path / "f", body).finish()
    assert caught.value.status == 400
    assert not (tmp_path / "f").exists()


def test_the_limit_is_the_size_of_the_file(tmp_path: Path) -> None:
    """Exactly the limit passes, one more byte is 413."""
    assert receive(tmp_path / "a", part("file", "a", b"x" * 10) + END, limit=10).finish().size == 10
    with pytest.raises(UploadError) as caught:
        receive(tmp_path / "b", part("file", "a", b"x" * 11) + END, limit=10).finish()
    assert caught.value.status == 413


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", ""])
def test_a_boundary_is_needed(tmp_path: Path, content_type: str) -> None:
    """Nothing else is an upload."""
    with pytest.raises(UploadError):
        UploadReceiver(content_type, tmp_path / "f", 10)
