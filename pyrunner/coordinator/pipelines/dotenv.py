"""``artifacts:reports:dotenv``: variables from one job into later ones (gitlab-ci-yml.md 3.12).

The rules are GitLab's, which are narrower than those of any dotenv library: every line that is not
blank is ``KEY=value``, there are no comments, and quotes are part of the value.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Final

from pyrunner.errors import PyrunnerError
from pyrunner.protocol.variables import Variable

#: Bytes of a report.
MAX_BYTES: Final = 5 * 1024
#: Variables of a report.
MAX_VARIABLES: Final = 20
_LINE: Final = re.compile(r"\A\s*([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)\Z")


class InvalidReport(PyrunnerError):
    """A dotenv report is refused, and its upload with it."""


def read_report(path: Path) -> list[Variable]:
    """Return the variables of an uploaded, compressed report.

    :raises InvalidReport: when it is not gzip, too big, or not a dotenv file.
    """
    unpack = zlib.decompressobj(wbits=31)
    try:
        data = unpack.decompress(path.read_bytes()[: MAX_BYTES * 4], MAX_BYTES + 1)
    except zlib.error:
        raise InvalidReport("Invalid Format") from None
    return parse_report(data)


def report_refusal(kind: str, path: Path) -> str:
    """Return why an uploaded report is refused; empty when it is not, or is of a type without rules."""
    if kind != "dotenv":
        return ""
    try:
        read_report(path)
    except InvalidReport as error:
        return str(error)
    return ""


def parse_report(data: bytes) -> list[Variable]:
    """Return the variables of a report; they are secret to nobody but are no part of the file either.

    :raises InvalidReport: when it is too big, or not a dotenv file.
    """
    if len(data) > MAX_BYTES:
        raise InvalidReport(f"Dotenv Artifact Too Big. Maximum Allowable Size: {MAX_BYTES}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidReport("Invalid Format") from None
    found: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip():
            continue
        match = _LINE.match(line)
        if match is None or "\0" in line:
            raise InvalidReport("Invalid Format")
        found[match[1]] = match[2].strip()
    if len(found) > MAX_VARIABLES:
        raise InvalidReport(f"Dotenv files cannot have more than {MAX_VARIABLES} variables")
    return [Variable(key, value) for key, value in found.items()]
