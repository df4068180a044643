"""Who a container's user is, from the container's own files, without starting it (docker-executor.md 8.4).

An image can hold anything: its files are read up to a size, and no number is believed that is none.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from typing import Final

from pyrunner.errors import EngineError, PyrunnerError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.engine.background import in_background
from pyrunner.executors.docker.engine.connection import Engine

_LARGEST: Final = 4 * 1024 * 1024
#: Links that lead to one file.
_MOST_LINKS: Final = 8
#: One more stands for no user at all.
_LAST_ID: Final = 2**32 - 2


def find_owner(engine: Engine, container: str, report: Report) -> str:
    """Return ``<uid>:<gid>`` of the user that a created container will run as.

    :raises PyrunnerError: when its image does not know the user.
    """

    def find() -> str:
        text = str(engine.call(lambda api: api.inspect_container(container))["Config"].get("User") or "0")
        user, _, group = text.partition(":")
        by_number = is_id(user) and is_id(group)
        uid, gid = _of_user(user, "" if by_number else _file(engine, container, "/etc/passwd"))
        if group:
            gid = group if is_id(group) else _of_group(group, _file(engine, container, "/etc/group"))
        return f"{uid}:{gid}"

    return in_background(find, report)


def is_id(text: str) -> bool:
    """Tell whether ``text`` is the number of a user or group."""
    return text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= _LAST_ID


def _of_user(user: str, passwd: str) -> tuple[str, str]:
    for line in passwd.splitlines():
        row = line.split(":")
        if len(row) >= 4 and user in (row[0], row[2]) and is_id(row[2]) and is_id(row[3]):
            return row[2], row[3]
    if is_id(user):
        return user, "0"
    raise PyrunnerError(f"the image has no user {user}: its files cannot be given to anybody")


def _of_group(group: str, text: str) -> str:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and fields[0] == group and is_id(fields[2]):
            return fields[2]
    raise PyrunnerError(f"the image has no group {group}: its files cannot be given to anybody")


def _file(engine: Engine, container: str, path: str) -> str:
    """Return a file of a container; empty when it has none.

    :raises PyrunnerError: when it is no file, or too large.
    """
    for _ in range(_MOST_LINKS):
        where = path
        try:
            stream, status = engine.call(lambda api, where=where: api.get_archive(container, where))  # type: ignore[misc]
        except EngineError as error:
            if error.not_found:
                return ""
            raise
        try:
            target = str(status.get("linkTarget") or "")
            if not target:
                return _first_file(stream, path)
        finally:
            getattr(stream, "close", lambda: None)()
        path = target  # absolute, as the container sees it
    raise PyrunnerError(f"{path} of the image is a link to a link to a link")


def _first_file(stream: Iterable[bytes], path: str) -> str:
    data = bytearray()
    for chunk in stream:
        data += chunk
        if len(data) > _LARGEST:
            raise PyrunnerError(f"{path} of the image is larger than {_LARGEST} bytes")
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            entry = tar.next()
            content = tar.extractfile(entry) if entry is not None and entry.isreg() else None
            if content is not None:
                return content.read().decode(errors="replace")
    except tarfile.TarError as error:
        raise PyrunnerError(f"{path} of the image cannot be read: {error}") from error
    raise PyrunnerError(f"{path} of the image is not a file")
