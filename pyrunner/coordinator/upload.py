"""A multipart upload streamed to disk: one part named ``file``, of limited size (runner-api.md 7.2)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pyrunner.errors import PyrunnerError

#: Longest file name that is kept.
_NAME_LENGTH: Final = 255


class UploadError(PyrunnerError):
    """An upload that Workhorse refuses.

    :param status: what it answers.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """The one file of an upload."""

    filename: str
    size: int
    sha256: str


class UploadReceiver:
    """Takes the body of an upload piece by piece and writes its file to ``path``.

    After an error the rest of the body is still taken and thrown away, so that the client gets to read
    the answer.

    :raises UploadError: when the content type names no boundary.
    """

    def __init__(self, content_type: str, path: Path, limit: int) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise UploadError("not multipart/form-data with a boundary")
        self._limit = limit
        self._path = path
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._filename = ""
        self._parts = 0
        self._ended = False
        self._field = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self.error: UploadError | None = None
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_end": self._end,
            },
        )

    def write(self, data: bytes) -> None:
        """Take the next piece of the body; errors are kept for :meth:`finish`."""
        if self.error is not None or not data:
            return
        try:
            self._parser.write(data)
        except FormParserError as error:
            self.error = UploadError(f"malformed multipart body: {error}")
        except UploadError as error:
            self.error = error

    def finish(self) -> ReceivedFile:
        """Close the file and return what it is.

        :raises UploadError: for whatever was wrong with the body; the file is then removed.
        """
        self.close()
        if self.error is None and not self._parts:
            self.error = UploadError("no file in the upload")
        if self.error is None and not self._ended:
            self.error = UploadError("the multipart body ends early")
        if self.error is not None:
            self._path.unlink(missing_ok=True)
            raise self.error
        return ReceivedFile(self._filename, self._size, self._digest.hexdigest())

    def close(self) -> None:
        """Close the file. Safe twice."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _part_begin(self) -> None:
        self._parts += 1
        self._headers = {}
        if self._parts > 1:
            raise UploadError("more than one part in the upload")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _headers_finished(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name, filename = options.get(b"name", b""), options.get(b"filename", b"")
        if disposition != b"form-data" or name != b"file" or not filename:
            raise UploadError(f"a part named {name.decode(errors='replace')!r}, wanted one file named 'file'")
        text = filename.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
        self._filename = "".join(one for one in text if one.isprintable())[:_NAME_LENGTH] or "file"
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(fd, "wb", buffering=0)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self._limit:
            raise UploadError(f"larger than {self._limit} bytes", 413)
        assert self._file is not None
        piece = memoryview(data)[start:end]
        self._digest.update(piece)
        while piece:
            piece = piece[self._file.write(piece) :]

    def _end(self) -> None:
        self._ended = True
