"""Where the files of an ``include`` entry are, by its kind (gitlab-ci-yml.md 2.1).

Nothing is fetched. What lies outside the repository is read from one folder that the user fills::

    project/<path>/<ref or HEAD>/<file>     template/<name>
    remote/<host>/<path>                    component/<host>/<path>@<version>/templates/...
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyrunner.ci.expansion import expand
from pyrunner.ci.files import Folder
from pyrunner.ci.globs import matches
from pyrunner.ci.tree import Map, Position, as_text
from pyrunner.errors import PipelineError


@dataclass(frozen=True, slots=True)
class IncludeContext:
    """What includes depend on.

    :param tree: the repository.
    :param elsewhere: the folder for everything else; None when there is none.
    :param variables: the variables known before there is a pipeline (2.2).
    :param changed: the changed files; None when unknown.
    """

    tree: Folder
    elsewhere: Folder | None
    variables: Mapping[str, str]
    changed: frozenset[str] | None = None
    #: Reads a file from the artifacts of a job: (job, path); None outside child pipelines.
    artifacts: Callable[[str, str], str | None] | None = None


@dataclass(frozen=True, slots=True)
class IncludedFile:
    """One file that an entry means.

    :param file: for findings.
    :param name: as GitLab's messages have it.
    :param folder: what its own local includes mean; None when it has no project.
    :param component: the values of ``$[[ component.x ]]``.
    """

    file: str
    name: str
    text: str
    folder: Folder | None = None
    component: Mapping[str, str] = field(default_factory=dict)


class Locations:
    """Finds files; remembers which were included, for wildcards leave those out."""

    def __init__(self, context: IncludeContext) -> None:
        self._context = context
        self._seen: set[str] = set()

    def find(self, kind: str, entry: Map, at: Position, here: Folder | None) -> list[IncludedFile]:
        """Return the files of an entry.

        :raises PipelineError: for one that is not there, or an address that is none.
        """
        if kind == "local":
            return self._local(self._expanded(entry[kind]), entry.place(kind), here)
        if kind == "artifact":
            return [self._artifact(entry, at)]
        address, place = self._expanded(entry[kind]), entry.place(kind)
        if kind == "project":
            return self._project(address, entry)
        if kind == "template":
            return [self._template(address, place)]
        if kind == "component":
            return [self._component(address, place)]
        return [self._remote(address, place, entry)]

    def _expanded(self, value: object) -> str:
        return expand(as_text(value), self._context.variables)

    def _local(self, name: str, at: Position, here: Folder | None) -> list[IncludedFile]:
        name = name.lstrip("/")
        if here is None:
            message = f"Local file `{name}` does not have project!"
            raise PipelineError(message, *at, hint="a remote file cannot include local ones")
        names = [name]
        if "*" in name:
            names = sorted(
                one for one in here.names() if matches(name, one) and here.path(one) not in self._seen
            )
        found: list[IncludedFile] = []
        for one in names:
            _check_extension(one, at)
            text = _present(here.read(one), f"Local file `{one}`", "does not exist!", at)
            self._seen.add(here.path(one))
            found.append(IncludedFile(one, one, text, here))
        return found

    def _artifact(self, entry: Map, at: Position) -> IncludedFile:
        """Read the configuration that another job has written (3.14)."""
        if self._context.artifacts is None:
            message = "Including configs from artifacts is only allowed when triggering child pipelines"
            raise PipelineError(message, *at)
        name, job = self._expanded(entry["artifact"]), as_text(entry.get("job"))
        place = entry.place("artifact")
        _check_extension(name, place)
        what = f"File `{name}` in the artifacts of job `{job}`"
        text = _present(self._context.artifacts(job, name), what, "does not exist!", place)
        return IncludedFile(name, name, text, self._context.tree)

    def _template(self, name: str, at: Position) -> IncludedFile:
        if not name.endswith(".gitlab-ci.yml"):
            raise PipelineError(f"Template file `{name}` is not a valid location!", *at)
        return self._offline(f"Template file `{name}`", [f"template/{name}"], name, at)

    def _component(self, address: str, at: Position) -> IncludedFile:
        path, _, version = address.rpartition("@")
        project, _, name = path.rpartition("/")
        if not (version and project and name):
            raise PipelineError(f"Component '{address}' is not a valid address", *at)
        base = f"component/{project}@{version}"
        places = [f"{base}/templates/{name}.yml", f"{base}/templates/{name}/template.yml"]
        facts = {"name": name, "version": version, "reference": version, "sha": version}
        return self._offline(f"Component `{address}`", places, address, at, base, facts)

    def _remote(self, address: str, at: Position, entry: Map) -> IncludedFile:
        scheme, _, rest = address.partition("://")
        if scheme not in ("http", "https") or not rest.strip("/"):
            raise PipelineError(f"Remote file `{address}` does not have a valid address!", *at)
        _check_extension(address, at)
        found = self._offline(f"Remote file `{address}`", [f"remote/{rest}"], address, at)
        if "integrity" in entry:
            digest = base64.b64encode(hashlib.sha256(found.text.encode()).digest()).decode()
            if as_text(entry["integrity"]) != f"sha256-{digest}":
                message = f"Remote file `{address}` failed integrity check!"
                raise PipelineError(message, *entry.place("integrity"))
        return found

    def _project(self, project: str, entry: Map) -> list[IncludedFile]:
        at = entry.place("project")
        files = entry.get("file")
        if not files:
            message = "include:include config must specify the file where to fetch the config from"
            raise PipelineError(message, *at)
        base = f"project/{project}/{self._expanded(entry.get('ref') or 'HEAD')}"
        found = []
        for one in files if isinstance(files, list) else [files]:
            name = self._expanded(one).lstrip("/")
            _check_extension(name, at)
            what = f"Project `{project}` file `{name}`"
            found.append(self._offline(what, [f"{base}/{name}"], name, at, base))
        return found

    def _offline(
        self,
        what: str,
        places: list[str],
        name: str,
        at: Position,
        base: str | None = None,
        component: Mapping[str, str] | None = None,
    ) -> IncludedFile:
        folder = self._context.elsewhere
        if folder is None:
            hint = (
                f"nothing is fetched: give a folder for included files, and put this one at {places[0]} in it"
            )
            raise PipelineError(f"{what} is not available offline", *at, hint=hint)
        texts = (folder.read(place) for place in places)
        text = next((one for one in texts if one is not None), None)
        hint = f"nothing is fetched: put the file at {folder.path(places[0])}"
        text = _present(text, what, "is not available offline", at, hint)
        inner = folder / base if base else None
        return IncludedFile(folder.path(places[0]), name, text, inner, component or {})


def _check_extension(name: str, at: Position) -> None:
    if not name.endswith((".yml", ".yaml")):
        raise PipelineError(f"Included file `{name}` does not have YAML extension!", *at)


def _present(text: str | None, what: str, missing: str, at: Position, hint: str = "") -> str:
    if text is None:
        raise PipelineError(f"{what} {missing}", *at, hint=hint)
    if not text:
        raise PipelineError(f"{what} is empty!", *at)
    return text
