"""``include``: all files of a configuration, each interpolated, merged into one tree (gitlab-ci-yml.md 2).

Nothing is fetched. What lies outside the repository is read from one folder that the user fills::

    project/<path>/<ref or HEAD>/<file>     template/<name>
    remote/<host>/<path>                    component/<host>/<path>@<version>/templates/...
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyrunner.ci.expansion import expand
from pyrunner.ci.expression import ExpressionError, parse
from pyrunner.ci.files import Folder
from pyrunner.ci.globs import any_match, matches, with_folders
from pyrunner.ci.inputs import read_inputs
from pyrunner.ci.interpolation import interpolate
from pyrunner.ci.source import load_source
from pyrunner.ci.tree import Map, Position, Seq, as_text, deep_merge
from pyrunner.errors import PipelineError

#: Inclusions of one configuration, repeated ones counted each time.
MAX_INCLUDES: Final = 150

_KINDS: Final = ("local", "project", "remote", "template", "artifact", "component")
_RULE_KEYS: Final = ("if", "exists", "changes", "when")


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


def load_configuration(text: str, file: str, inputs: Mapping[str, Any], context: IncludeContext) -> Map:
    """Return the merged tree of a root file and all it includes.

    :raises PipelineError: for anything that cannot be read, with the position of the include.
    """
    if not text.strip():
        raise PipelineError("Please provide content of .gitlab-ci.yml", file)
    return expand_includes(_parsed(text, file, inputs, context), context)


def expand_includes(tree: Map, context: IncludeContext) -> Map:
    """Return a tree of the repository with all it includes beneath it.

    :raises PipelineError: as :func:`load_configuration`.
    """
    return _Includes(context).expand(tree, context.tree)


def _parsed(text: str, file: str, inputs: Mapping[str, Any], context: IncludeContext) -> Map:
    source = load_source(text, file)
    values = read_inputs(source.header, inputs, file)
    return source.content if values is None else interpolate(source.content, values, context.variables)


class _Includes:
    def __init__(self, context: IncludeContext) -> None:
        self._context = context
        self._count = 0
        self._seen: set[str] = set()

    def expand(self, tree: Map, here: Folder | None) -> Map:
        """Merge the includes of ``tree`` beneath it; ``here`` is what its local includes mean."""
        if "include" not in tree:
            return tree
        written, place = tree["include"], tree.place("include")
        entries = written if isinstance(written, Seq) else [] if written is None else [written]
        merged = Map(tree.position)
        included = 0
        for index, entry in enumerate(entries):
            at = written.place(index) if isinstance(written, Seq) else place
            for file, name, text, folder, inputs in self._files(entry, at, here):
                try:
                    content = _parsed(text, file, inputs, self._context)
                except PipelineError as error:
                    raise PipelineError(
                        f"`{name}`: {error.message}", error.file, error.line, error.column, error.hint
                    ) from None
                if not content:
                    message = f"Included file `{name}` does not have valid YAML syntax!"
                    raise PipelineError(message, *at)
                merged = deep_merge(merged, self.expand(content, folder))
                included += 1
        if isinstance(written, Map) and not included:
            raise PipelineError("include config should be an array or a string", *place)
        own = tree.clone()
        del own["include"]
        return deep_merge(merged, own)

    def _files(
        self, entry: Any, at: Position, here: Folder | None
    ) -> list[tuple[str, str, str, Folder | None, Mapping[str, Any]]]:
        """Return (file for findings, name, text, its folder, inputs) of each file that an entry means."""
        if isinstance(entry, str):
            made = Map(at)
            kind = "remote" if entry.startswith(("http://", "https://")) else "local"
            made.put(kind, entry, at)
            entry = made
        if not isinstance(entry, Map):
            raise PipelineError("Each include must be a hash or a string", *at)
        kinds = [one for one in _KINDS if one in entry]
        if not kinds:
            keys = ", ".join(f"`{one}`" for one in _KINDS)
            shown = json.dumps(entry, default=str, separators=(",", ":"))
            raise PipelineError(
                f"`{shown}` does not have a valid subkey for include. Valid subkeys are: {keys}", *at
            )
        if len(kinds) > 1:
            keys = ", ".join(f"`{one}`" for one in _KINDS)
            raise PipelineError(f"Each include must use only one of: {keys}", *at)
        if "rules" in entry and not self._wanted(entry["rules"], entry.place("rules"), here):
            return []
        inputs = entry.get("inputs") or {}
        if not isinstance(inputs, Map | dict):
            raise PipelineError("include inputs should be a hash", *entry.place("inputs"))
        kind = kinds[0]
        if kind == "local":
            found = self._local(self._expanded(entry[kind]), entry.place(kind), here)
        elif kind == "artifact":
            found = [self._artifact(entry, at)]
        else:
            found = self._elsewhere(kind, entry)
        for _ in found:
            self._count += 1
            if self._count > MAX_INCLUDES:
                raise PipelineError(f"Maximum of {MAX_INCLUDES} nested includes are allowed!", *at)
        return [(*one, inputs) for one in found]

    def _expanded(self, value: Any) -> str:
        return expand(as_text(value), self._context.variables)

    def _local(
        self, name: str, at: Position, here: Folder | None
    ) -> list[tuple[str, str, str, Folder | None]]:
        name = name.lstrip("/")
        if here is None:
            message = f"Local file `{name}` does not have project!"
            raise PipelineError(message, *at, hint="a remote file cannot include local ones")
        names = [name]
        if "*" in name:
            names = sorted(
                one for one in here.names() if matches(name, one) and here.path(one) not in self._seen
            )
        found: list[tuple[str, str, str, Folder | None]] = []
        for one in names:
            self._check_extension(one, at)
            text = self._present(here.read(one), f"Local file `{one}`", "does not exist!", at)
            self._seen.add(here.path(one))
            found.append((one, one, text, here))
        return found

    @staticmethod
    def _check_extension(name: str, at: Position) -> None:
        if not name.endswith((".yml", ".yaml")):
            raise PipelineError(f"Included file `{name}` does not have YAML extension!", *at)

    @staticmethod
    def _present(text: str | None, what: str, missing: str, at: Position, hint: str = "") -> str:
        if text is None:
            raise PipelineError(f"{what} {missing}", *at, hint=hint)
        if not text:
            raise PipelineError(f"{what} is empty!", *at)
        return text

    def _artifact(self, entry: Map, at: Position) -> tuple[str, str, str, Folder | None]:
        """Read the configuration that another job has written (3.14)."""
        if self._context.artifacts is None:
            message = "Including configs from artifacts is only allowed when triggering child pipelines"
            raise PipelineError(message, *at)
        name, job = self._expanded(entry["artifact"]), as_text(entry.get("job"))
        self._check_extension(name, entry.place("artifact"))
        text = self._context.artifacts(job, name)
        what = f"File `{name}` in the artifacts of job `{job}`"
        text = self._present(text, what, "does not exist!", entry.place("artifact"))
        return name, name, text, self._context.tree

    def _elsewhere(self, kind: str, entry: Map) -> list[tuple[str, str, str, Folder | None]]:
        address, at = self._expanded(entry[kind]), entry.place(kind)
        if kind == "project":
            return self._project(address, entry)
        if kind == "template":
            if not address.endswith(".gitlab-ci.yml"):
                raise PipelineError(f"Template file `{address}` is not a valid location!", *at)
            return [self._offline(f"Template file `{address}`", [f"template/{address}"], address, at, None)]
        if kind == "component":
            path, _, version = address.rpartition("@")
            project, _, name = path.rpartition("/")
            if not (version and project and name):
                raise PipelineError(f"Component '{address}' is not a valid address", *at)
            base = f"component/{project}@{version}"
            places = [f"{base}/templates/{name}.yml", f"{base}/templates/{name}/template.yml"]
            return [self._offline(f"Component `{address}`", places, address, at, base)]
        scheme, _, rest = address.partition("://")
        if scheme not in ("http", "https") or not rest.strip("/"):
            raise PipelineError(f"Remote file `{address}` does not have a valid address!", *at)
        self._check_extension(address, at)
        found = self._offline(f"Remote file `{address}`", [f"remote/{rest}"], address, at, None)
        if "integrity" in entry:
            digest = base64.b64encode(hashlib.sha256(found[2].encode()).digest()).decode()
            if as_text(entry["integrity"]) != f"sha256-{digest}":
                message = f"Remote file `{address}` failed integrity check!"
                raise PipelineError(message, *entry.place("integrity"))
        return [found]

    def _project(self, project: str, entry: Map) -> list[tuple[str, str, str, Folder | None]]:
        at = entry.place("project")
        files = entry.get("file")
        if not files:
            message = "include:include config must specify the file where to fetch the config from"
            raise PipelineError(message, *at)
        ref = self._expanded(entry.get("ref") or "HEAD")
        found = []
        for one in files if isinstance(files, list) else [files]:
            name = self._expanded(one).lstrip("/")
            self._check_extension(name, at)
            what = f"Project `{project}` file `{name}`"
            base = f"project/{project}/{ref}"
            found.append(self._offline(what, [f"{base}/{name}"], name, at, base))
        return found

    def _offline(
        self, what: str, places: list[str], name: str, at: Position, base: str | None
    ) -> tuple[str, str, str, Folder | None]:
        folder = self._context.elsewhere
        if folder is None:
            hint = (
                f"nothing is fetched: give a folder for included files, and put this one at {places[0]} in it"
            )
            raise PipelineError(f"{what} is not available offline", *at, hint=hint)
        texts = (folder.read(place) for place in places)
        text = next((one for one in texts if one is not None), None)
        hint = f"nothing is fetched: put the file at {folder.path(places[0])}"
        text = self._present(text, what, "is not available offline", at, hint)
        return folder.path(places[0]), name, text, folder / base if base else None

    def _wanted(self, rules: Any, at: Position, here: Folder | None) -> bool:
        """Tell whether the first matching of ``include:rules`` lets the file in (2.3)."""
        if not isinstance(rules, Seq):
            raise PipelineError("include rules should be an array containing hashes", *at)
        for index, rule in enumerate(rules):
            place = rules.place(index)
            if not isinstance(rule, Map):
                raise PipelineError("include rules should be an array containing hashes", *place)
            if unknown := [as_text(key) for key in rule if key not in _RULE_KEYS]:
                message = f"include:rule config contains unknown keys: {', '.join(unknown)}"
                raise PipelineError(message, *rule.place(unknown[0]))
            when = rule.get("when")
            if when not in (None, "always", "never"):
                message = f"include:rule when unknown value: {as_text(when)}"
                raise PipelineError(message, *rule.place("when"))
            if self._matches(rule, here):
                return when != "never"
        return False

    def _matches(self, rule: Map, here: Folder | None) -> bool:
        if "if" in rule:
            try:
                if not parse(as_text(rule["if"])).is_true(self._context.variables):
                    return False
            except ExpressionError as error:
                raise PipelineError(f"include:rule if {error}", *rule.place("if")) from None
        if "changes" in rule and self._context.changed is not None:
            patterns = self._paths(rule, "changes")
            if any_match(patterns, self._context.changed) is None:
                return False
        if "exists" in rule:
            names = with_folders(here.names()) if here is not None else frozenset()
            return any_match(self._paths(rule, "exists"), names) is not None
        return True

    def _paths(self, rule: Map, key: str) -> list[str]:
        value = rule[key]
        if isinstance(value, Map):
            if set(value) != {"paths"}:
                message = f"include:rule {key} supports only paths in pyrunner"
                raise PipelineError(message, *rule.place(key))
            value = value["paths"]
        paths = value if isinstance(value, list) else [value]
        return [expand(as_text(one), self._context.variables, keep_unknown=True) for one in paths]
