"""Removes what jobs made on an engine, chosen by our labels and nothing else (docker-executor.md 11.2).

A container, network or volume without the label is never removed, whatever it is attached to: a job that
may use the engine itself makes things of its own. All functions may take as long as the engine does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pyrunner.errors import EngineError
from pyrunner.executors.docker.engine.connection import Engine
from pyrunner.executors.docker.labels import BUSINESS_LABEL, JOB_LABEL

#: Takes a line for the trace: ``info`` or ``warning``, and the text.
Say = Callable[[str, str], None]

#: The engine is doing what was asked already, or has done it.
_DONE: Final = (404, 409)


def remove_job(
    engine: Engine, marker: str, *, keep_volumes: bool = False, say: Say | None = None
) -> list[str]:
    """Remove all that has a job's label; return what went wrong, as lines for the log.

    Containers go first, then the temporary volumes and the networks that they used.

    :param keep_volumes: ``volume_keep``: anonymous volumes of the containers stay.
    :param say: gets gitlab-runner's lines about containers that were still on a network.
    """
    problems: list[str] = []
    for container in _listed(engine, marker, "containers", problems):
        names = container.get("Names") or [container["Id"]]
        if say is not None:
            _disconnect(engine, container, names[0].lstrip("/"), say)
        _try(
            lambda one=container["Id"]: remove_container(engine, one, keep_volumes=keep_volumes),  # type: ignore[misc]
            f"Failed to remove container {container['Id']}",
            problems,
        )
    for volume in _listed(engine, marker, "volumes", problems):
        _try(
            lambda one=volume["Name"]: _unless_gone(engine, "remove_volume", one, force=True),  # type: ignore[misc]
            f"Failed to cleanup volumes: {volume['Name']}",
            problems,
        )
    for network in _listed(engine, marker, "networks", problems):
        _try(
            lambda one=network["Id"]: remove_network(engine, one, marker),  # type: ignore[misc]
            f"Failed to remove network for build: {network.get('Name')}",
            problems,
        )
    return problems


def remove_leftovers(
    engine: Engine, business: str, is_wanted: Callable[[str], bool], *, keep_volumes: bool = False
) -> list[str]:
    """Remove what jobs of a business folder left that nobody wants any more; return what went wrong.

    :param business: the label's value, :func:`pyrunner.executors.docker.job.business_label`.
    :param is_wanted: tells whether the job of this marker may still need its things; asked once for each.
    """
    problems: list[str] = []
    chosen = f"{BUSINESS_LABEL}={business}"
    markers = {
        marker
        for kind in ("containers", "volumes", "networks")
        for one in _chosen(engine, chosen, kind, problems)
        if (marker := (one.get("Labels") or {}).get(JOB_LABEL))
    }
    for marker in sorted(markers):
        if not is_wanted(marker):
            problems += remove_job(engine, marker, keep_volumes=keep_volumes)
    return problems


def remove_container(engine: Engine, container: str, *, keep_volumes: bool = False) -> None:
    """Remove a container that is known to be ours, running or not.

    :raises EngineError: when it stays.
    """
    _unless_gone(engine, "remove_container", container, force=True, v=not keep_volumes)


def remove_network(engine: Engine, network: str, marker: str) -> None:
    """Remove a network that is known to be ours, with the containers of its job that are still on it.

    Containers of anybody else are taken off it, and live on.

    :raises EngineError: when it stays.
    """
    try:
        found: Mapping[str, Any] = engine.call(lambda api: api.inspect_network(network))
    except EngineError as error:
        if error.not_found:
            return
        raise
    for container in found.get("Containers") or {}:
        if _is_of(engine, container, marker):
            remove_container(engine, container)
        else:
            _unless_gone(engine, "disconnect_container_from_network", container, network, force=True)
    _unless_gone(engine, "remove_network", network)


def _is_of(engine: Engine, container: str, marker: str) -> bool:
    try:
        config = engine.call(lambda api: api.inspect_container(container)).get("Config") or {}
    except EngineError:
        return False
    return bool((config.get("Labels") or {}).get(JOB_LABEL) == marker)


def _disconnect(engine: Engine, container: Mapping[str, Any], name: str, say: Say) -> None:
    """Take a container that still runs off its networks, with a line for each, as gitlab-runner does."""
    if container.get("State") != "running":
        return
    networks: Mapping[str, Any] = (container.get("NetworkSettings") or {}).get("Networks") or {}
    for network in networks:
        try:
            engine.call(
                lambda api, network=network: api.disconnect_container_from_network(  # type: ignore[misc]
                    container["Id"], network, force=True
                )
            )
        except EngineError as error:
            if not error.not_found:
                say("warning", f"Can't disconnect container {name} from network {network} -> {error}")
        else:
            say("info", f"Container {name} disconnected from network {network}")


def _listed(engine: Engine, marker: str, kind: str, problems: list[str]) -> list[dict[str, Any]]:
    # An empty value would choose by the label's name alone.
    return _chosen(engine, f"{JOB_LABEL}={marker}", kind, problems) if marker else []


def _chosen(engine: Engine, label: str, kind: str, problems: list[str]) -> list[dict[str, Any]]:
    """Return what has exactly this label."""
    chosen = {"label": label}
    try:
        if kind == "containers":
            found = engine.call(lambda api: api.containers(all=True, filters=chosen))
        elif kind == "volumes":
            found = engine.call(lambda api: api.volumes(filters=chosen)).get("Volumes") or []
        else:
            found = engine.call(lambda api: api.networks(filters=chosen))
    except EngineError as error:
        problems.append(f"Failed to list {kind}: {error}")
        return []
    key, _, value = label.partition("=")
    # Looked at once more: what is removed by mistake cannot be brought back.
    return [one for one in found if (one.get("Labels") or {}).get(key) == value]


def _unless_gone(engine: Engine, method: str, *arguments: Any, **options: Any) -> None:
    """Call the engine; what is gone already, or is being removed, is as good as removed."""
    try:
        engine.call(lambda api: getattr(api, method)(*arguments, **options))
    except EngineError as error:
        if error.status not in _DONE or (error.status == 409 and "in progress" not in str(error)):
            raise


def _try(work: Callable[[], None], what: str, problems: list[str]) -> None:
    try:
        work()
    except EngineError as error:
        problems.append(f"{what}: {error}")
