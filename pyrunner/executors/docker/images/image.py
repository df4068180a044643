"""An image as it is on the engine: what containers are made of it with (docker-executor.md 1.4)."""

from __future__ import annotations

import json
import urllib.parse
from dataclasses import asdict, dataclass, field
from typing import Any

import docker.errors
import requests

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.images.platforms import Platform
from pyrunner.executors.docker.images.references import InvalidReference, check_inspectable

#: From this version of the API on an image's variant can be asked for.
_PLATFORM_VERSION = "1.49"


@dataclass(frozen=True, slots=True)
class Image:
    """What an inspection tells; JSON in and out, for the journal."""

    #: ``sha256:...``
    id: str
    #: First repository digest, ``ruby@sha256:...``; empty for an image that no registry knows.
    digest: str = ""
    entrypoint: list[str] = field(default_factory=list)
    #: The image's own; empty: root.
    user: str = ""
    #: ``80/tcp``.
    exposed_ports: list[str] = field(default_factory=list)
    #: ``KEY=VALUE``.
    env: list[str] = field(default_factory=list)
    #: ``os/architecture[/variant]``.
    platform: str = ""

    @property
    def reference(self) -> str:
        """What containers are created from: it names these very layers, whatever becomes of the tag."""
        return self.digest or self.id

    @classmethod
    def of(cls, found: dict[str, Any]) -> Image:
        """Take over what ``GET /images/<name>/json`` answers."""
        config = found.get("Config") or {}
        names = (found.get("Os"), found.get("Architecture"), found.get("Variant"))
        return cls(
            id=found["Id"],
            digest=next(iter(found.get("RepoDigests") or ()), ""),
            entrypoint=list(config.get("Entrypoint") or ()),
            user=config.get("User") or "",
            exposed_ports=sorted(config.get("ExposedPorts") or ()),
            env=list(config.get("Env") or ()),
            platform="/".join(one for one in names if one),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object that :meth:`from_dict` takes back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Image:
        """Return the image that :meth:`to_dict` wrote; members of a newer version are left out."""
        return cls(**{key: one for key, one in value.items() if key in cls.__slots__})


def inspect_image(engine: Engine, name: str, platform: Platform | None = None) -> Image:
    """Return the image of that name or id.

    :param platform: which variant; engines before API 1.49 cannot tell them apart.
    :raises EngineError: when there is none, or for a name that the engine would refuse.
    """
    try:
        check_inspectable(name)
    except InvalidReference as error:
        raise EngineError(f"Error response from daemon: {error}", 400) from None
    chosen = platform if platform is not None and engine.at_least(_PLATFORM_VERSION) else None
    return Image.of(engine.call(lambda api: _inspect(api, name, chosen)))


def _inspect(api: Any, name: str, platform: Platform | None) -> dict[str, Any]:
    if platform is None:
        found: dict[str, Any] = api.inspect_image(name)
        return found
    # The SDK does not know the parameter.
    url = f"{api.base_url}/v{api.api_version}/images/{urllib.parse.quote(name, safe='/:')}/json"
    response = api.get(url, params={"platform": platform.to_json()}, timeout=api.timeout)
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)
    value: dict[str, Any] = json.loads(response.content)
    return value
