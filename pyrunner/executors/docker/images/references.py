"""Image references: what the engine accepts, and the paths by which credentials are found.

Names come from pipelines. They are checked here before any becomes part of a request's path: with
``../containers/x`` as an image name the engine would be asked for something else.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Final

from pyrunner.errors import PyrunnerError

DEFAULT_DOMAIN: Final = "docker.io"
_LEGACY_DOMAIN: Final = "index.docker.io"
_OFFICIAL: Final = "library/"
_DEFAULT_TAG: Final = "latest"
#: Longer than domain, path, tag and digest together may be.
_LONGEST: Final = 1024
_LONGEST_PATH: Final = 255

# The grammar of https://github.com/distribution/reference.
_HOST_PART: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN: Final = rf"(?:{_HOST_PART}(?:\.{_HOST_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PART: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE: Final = re.compile(
    rf"(?P<domain>{_DOMAIN})/(?P<path>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_IDENTIFIER: Final = re.compile(r"[a-f0-9]{64}")
_DIGEST_LENGTHS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
_PROTOCOL: Final = re.compile(r"https?://", re.IGNORECASE)


class InvalidReference(PyrunnerError):
    """The engine would refuse this image name."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image name, normalised as docker does: ``ruby`` is ``docker.io/library/ruby``."""

    domain: str
    path: str
    #: As written; empty when there is none.
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Domain and path: ``fromImage`` of a pull."""
        return f"{self.domain}/{self.path}"

    @property
    def version(self) -> str:
        """The digest, else the tag, else ``latest``: ``tag`` of a pull; without it all tags would come."""
        return self.digest or self.tag or _DEFAULT_TAG


def parse_reference(text: str) -> Reference:
    """Take an image name apart.

    :raises InvalidReference: in docker's words.
    """
    if _IDENTIFIER.fullmatch(text):
        raise InvalidReference(
            f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
        )
    if len(text) > _LONGEST:
        raise InvalidReference("invalid reference format")
    domain, rest = _split_domain(text)
    path = rest.partition(":")[0]
    if path.lower() != path:
        raise InvalidReference(f"invalid reference format: repository name ({path}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{domain}/{rest}")
    if match is None:
        raise InvalidReference("invalid reference format")
    if len(match["path"]) > _LONGEST_PATH:
        raise InvalidReference(f"repository name must not be more than {_LONGEST_PATH} characters")
    if match["digest"]:
        _check_digest(match["digest"])
    return Reference(match["domain"], match["path"], match["tag"] or "", match["digest"] or "")


def check_inspectable(text: str) -> None:
    """Let pass what may stand in the path of a request: a reference or an image id.

    :raises InvalidReference: for anything else.
    """
    if not _IDENTIFIER.fullmatch(text):
        parse_reference(text)


def image_path(image: str) -> str:
    """Return the path of an image by which its credentials are looked up (docker-executor.md 4).

    A digest reference keeps ``@sha256``: only credentials of its parents match.
    """
    folder, name = posixpath.split(image)
    joined = posixpath.normpath(posixpath.join(folder, name.partition(":")[0]))
    first, slash, rest = joined.partition("/")
    if not slash or not ("." in first or ":" in first or first.lower() == "localhost"):
        joined = f"{DEFAULT_DOMAIN}/{joined}"
    elif first.lower() == _LEGACY_DOMAIN:
        joined = f"{DEFAULT_DOMAIN}/{rest}"
    return _lower_host(joined)


def registry_path(address: str) -> str:
    """Return the path that the credentials for a registry's ``address`` are good for (4)."""
    if protocol := _PROTOCOL.match(address):
        host = address[protocol.end() :].partition("/")[0].lower()
        return DEFAULT_DOMAIN if host == _LEGACY_DOMAIN else host
    path = address.removesuffix("/")
    if path.rfind("/") != -1 and path.rfind(":") > path.rfind("/"):
        path = path[: path.rfind(":")]
    return _lower_host(path)


def _lower_host(path: str) -> str:
    host, slash, rest = path.partition("/")
    return host.lower() + slash + rest


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_DOMAIN, _OFFICIAL + text
    if first == _LEGACY_DOMAIN:
        domain, remote = DEFAULT_DOMAIN, rest
    elif first == "localhost" or "." in first or ":" in first or first.lower() != first:
        domain, remote = first, rest
    else:
        domain, remote = DEFAULT_DOMAIN, text
    if domain == DEFAULT_DOMAIN and "/" not in remote:
        remote = _OFFICIAL + remote
    return domain, remote


def _check_digest(digest: str) -> None:
    algorithm, _, value = digest.partition(":")
    length = _DIGEST_LENGTHS.get(algorithm)
    if length is None:
        raise InvalidReference("unsupported digest algorithm")
    if len(value) != length:
        raise InvalidReference("invalid checksum digest length")
    if value.lower() != value:
        raise InvalidReference("invalid checksum digest format")
