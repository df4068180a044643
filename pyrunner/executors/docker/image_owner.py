"""Who a container's user is, from the container's own files, without starting it (docker-executor.md 8.4)."""

from __future__ import annotations

import io
import tarfile
from typing import Final

from pyrunner.errors import EngineError, PyrunnerError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.background import in_background
from pyrunner.executors.docker.engine import Engine

_LARGEST: Final = 4 * 1024 * 1024


def find_owner(engine: Engine, container: str, report: Report) -> str:
    """Return ``<uid>:<gid>`` of the user that a created container will run as.

    :raises PyrunnerError: when its image does not know the user.
    """

    def find() -> str:
        text = str(engine.call(lambda api: api.inspect_container(container))["Config"].get("User") or "0")
        user, _, group = text.partition(":")
        uid, gid = _of_user(
            user, "" if user.isdigit() and group.isdigit() else _file(engine, container, "passwd")
        )
        if group:
            gid = group if group.isdigit() else _of_group(group, _file(engine, container, "group"))
        return f"{uid}:{gid}"

    return in_background(find, report)


def _of_user(user: str, passwd: str) -> tuple[str, str]:
    rows = [line.split(":") for line in passwd.splitlines() if line.count(":") >= 3]
    for row in rows:
        if user in (row[0], row[2]):
            return row[2], row[3]
    if user.isdigit():
        return user, "0"
    raise PyrunnerError(f"the image has no user {user}: its files cannot be given to anybody")


def _of_group(group: str, text: str) -> str:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and fields[0] == group:
            return fields[2]
    raise PyrunnerError(f"the image has no group {group}: its files cannot be given to anybody")


def _file(engine: Engine, container: str, name: str) -> str:
    """Return a file of a container's /etc; empty when it has none."""
    try:
        stream, status = engine.call(lambda api: api.get_archive(container, f"/etc/{name}"))
    except EngineError as error:
        if error.not_found:
            return ""
        raise
    if int(status.get("size", 0)) > _LARGEST:
        raise PyrunnerError(f"/etc/{name} of the image is larger than {_LARGEST} bytes")
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            if content is not None:
                return content.read(_LARGEST).decode(errors="replace")
    return ""
