"""One entry of ``volumes`` (docker-executor.md 7.1)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from pyrunner.system.golang import quoted

# gitlab-runner's expression, written so that no text makes it try more than one way.
_NAME: Final = r'[^\\/:*?"<>|\r\n]+'
_FOLDER: Final = rf"/(?:{_NAME}(?:/{_NAME})*/?)?"
_SPEC: Final = re.compile(
    rf"(?:(?P<source>{_FOLDER}|{_NAME}):)?"
    rf"(?P<destination>{_FOLDER})"
    r"(?::(?P<mode>(?i:ro|rw|O)))?"
    r"(?:[:,](?P<label>(?i:z)))?"
    r"(?:[:,](?P<propagation>(?i:shared|slave|private|rshared|rslave|rprivate)))?\Z"
)


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """What an entry says; without a source it is a cache volume."""

    #: Path on the engine's host, or a volume's name.
    source: str
    destination: str
    mode: str = ""
    label: str = ""
    propagation: str = ""

    @property
    def definition(self) -> str:
        """The text that the engine takes among the binds of a container."""
        options = ",".join(one for one in (self.mode, self.label, self.propagation) if one)
        return ":".join(one for one in (self.source, self.destination, options) if one)

    @property
    def is_bind(self) -> bool:
        """It names what to mount."""
        return bool(self.source)


def parse_volume(text: str, expand: Callable[[str], str] | None = None) -> VolumeSpec:
    """Return the parts of ``[source:]destination[:mode][:label][:propagation]``.

    :param expand: replaces variables, in the destination only, once the text has been split.
    :raises ValueError: for any other form.
    """
    match = _SPEC.match(text)
    if match is None:
        raise ValueError(f"invalid volume specification: {quoted(text)}")
    spec = VolumeSpec(**{key: value or "" for key, value in match.groupdict().items()})
    return spec if expand is None else replace(spec, destination=expand(spec.destination))


def is_root(path: str) -> bool:
    """Tell whether a path inside a container is its root."""
    return path.startswith("/") and clean(path) == "/"


def clean(path: str) -> str:
    """Return the shortest form of a path inside a container."""
    return posixpath.normpath(path).replace("//", "/")


def contains(folder: str, path: str) -> bool:
    """Tell whether ``path`` is ``folder`` or lies below it."""
    outer, inner = clean(folder), clean(path)
    return inner == outer or outer == "/" or inner.startswith(f"{outer}/")
