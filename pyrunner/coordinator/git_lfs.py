"""Large files over HTTP: the part of git-lfs's API that a fetch needs, of files that lie on this machine.

``POST …/info/lfs/objects/batch`` says where the objects are, ``GET …/info/lfs/objects/<oid>`` gives one
(git-lfs: docs/api/batch.md, docs/api/basic-transfers.md). A folder of objects may be a stranger's: links in
it are not followed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response

_TYPE: Final = "application/vnd.git-lfs+json"
_OID = re.compile(r"[0-9a-f]{64}\Z")
#: Bytes of a request: git-lfs asks for a hundred objects at once.
_LARGEST: Final = 1 << 20


async def answer_batch(request: Request, folders: Sequence[Path]) -> Response:
    """Return where the objects of a request are; those that are not here with an error of their own."""
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > _LARGEST:
                return _refusal(413, "The request is too large")
    except ClientDisconnect:
        return _refusal(400, "The request is not whole")
    try:
        asked = json.loads(body)
        wanted = [(str(one["oid"]), int(one["size"])) for one in asked["objects"]]
    except (ValueError, KeyError, TypeError):
        return _refusal(422, "The request cannot be read")
    if asked.get("operation") != "download":
        return _refusal(403, "You are not allowed to upload to this project.")
    base = str(request.url.replace(query="")).removesuffix("/batch")
    headers = {"Authorization": request.headers.get("authorization", "")}
    objects = [_described(oid, size, folders, base, headers) for oid, size in wanted]
    return JSONResponse({"transfer": "basic", "objects": objects}, media_type=_TYPE)


def answer_object(oid: str, folders: Sequence[Path]) -> Response:
    """Return an object's content."""
    found = find_object(oid, folders)
    if found is None:
        return _refusal(404, "Object does not exist")
    return FileResponse(found, media_type="application/octet-stream")


def find_object(oid: str, folders: Sequence[Path]) -> Path | None:
    """Return the file of an object; None when there is none."""
    if not _OID.match(oid):
        return None
    for folder in folders:
        path = folder / oid[:2] / oid[2:4] / oid
        try:
            if path.is_file() and path.resolve() == path:
                return path
        except OSError:
            continue
    return None


def _described(
    oid: str, size: int, folders: Sequence[Path], base: str, headers: dict[str, str]
) -> dict[str, Any]:
    found = find_object(oid, folders)
    if found is None or found.stat().st_size != size:
        return {"oid": oid, "size": size, "error": {"code": 404, "message": "Object does not exist"}}
    action = {"href": f"{base}/{oid}", "header": headers}
    return {"oid": oid, "size": size, "authenticated": True, "actions": {"download": action}}


def _refusal(status: int, text: str) -> Response:
    return JSONResponse({"message": text}, status, media_type=_TYPE)
