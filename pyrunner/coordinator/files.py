"""A file as an answer, whole or in one range, streamed without threads."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

_PIECE: Final = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})\Z")


def file_response(path: Path, filename: str, byte_range: str = "") -> Response:
    """Return the file as ``application/octet-stream``.

    :param byte_range: the request's ``Range``; one range is honoured, anything else answered whole.
    """
    size = path.stat().st_size
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(filename)}",
    }
    start, end, status = 0, size - 1, 200
    if match := _RANGE.match(byte_range):
        start = int(match.group(1))
        end = min(int(match.group(2) or size - 1), size - 1)
        if start > end:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    headers["Content-Length"] = str(end - start + 1)
    body = _pieces(path, start, end - start + 1)
    return StreamingResponse(body, status, headers, media_type="application/octet-stream")


async def _pieces(path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while length > 0:
            piece = file.read(min(length, _PIECE))
            if not piece:
                return
            length -= len(piece)
            yield piece
