"""The body of an artifact upload: one file in a multipart form, streamed (runner-api.md 7.2)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from pyrunner.gitlab.call import BodyFactory

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\r": "%0D", "\n": "%0A"})


class ContentFailed(Exception):
    """The file's producer raised ``cause``: of a type that no HTTP library takes for its own."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class FileForm:
    """One file part named ``file``, made afresh for each attempt with the same boundary.

    :param filename: for the coordinator; the folder part must be gone already.
    :param content: makes the file's bytes; an iterator with ``close`` is closed, however the attempt
        ends, so that it can stop producing.
    """

    def __init__(self, filename: str, content: BodyFactory) -> None:
        self._boundary = secrets.token_hex(30)
        self._filename = filename
        self._content = content

    @property
    def content_type(self) -> str:
        """The value of the request's ``Content-Type``."""
        return f"multipart/form-data; boundary={self._boundary}"

    def __call__(self) -> Iterator[bytes]:
        """Yield the body of one attempt.

        :raises ContentFailed: when the content cannot be produced.
        """
        name = self._filename.translate(_ESCAPES)
        yield (
            f"--{self._boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode("utf-8", "surrogateescape")
        yield from self._file()
        yield f"\r\n--{self._boundary}--\r\n".encode()

    def _file(self) -> Iterator[bytes]:
        content = None
        try:
            content = iter(self._content())
            yield from content
        except Exception as error:
            raise ContentFailed(error) from error
        finally:
            close = getattr(content, "close", None)
            if close is not None:
                close()
