"""``include``: all files of a configuration, each interpolated, merged into one tree (gitlab-ci-yml.md 2).

:mod:`pyrunner.ci.locations` knows where the files are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pyrunner.ci.expansion import expand
from pyrunner.ci.expression import ExpressionError, parse
from pyrunner.ci.files import Folder
from pyrunner.ci.globs import any_match, with_folders
from pyrunner.ci.inputs import component_facts, read_inputs
from pyrunner.ci.interpolation import interpolate
from pyrunner.ci.locations import IncludeContext, IncludedFile, Locations
from pyrunner.ci.source import load_source
from pyrunner.ci.tree import Map, Position, Seq, as_text, deep_merge
from pyrunner.errors import PipelineError

#: Inclusions of one configuration, repeated ones counted each time.
MAX_INCLUDES: Final = 150
#: Values that a pipeline can be given for the inputs of its root file.
MAX_INPUTS: Final = 20

_KINDS: Final = ("local", "project", "remote", "template", "artifact", "component")
_RULE_KEYS: Final = ("if", "exists", "changes", "when")


def load_configuration(text: str, file: str, inputs: Mapping[str, Any], context: IncludeContext) -> Map:
    """Return the merged tree of a root file and all it includes.

    :raises PipelineError: for anything that cannot be read, with the position of the include.
    """
    if len(inputs) > MAX_INPUTS:
        raise PipelineError(f"There cannot be more than {MAX_INPUTS} inputs", file)
    if not text.strip():
        raise PipelineError("Please provide content of .gitlab-ci.yml", file)
    includes = _Includes(context)
    tree = includes.parse(IncludedFile(file, file, text, context.tree), inputs)
    return includes.expand(tree, context.tree)


def expand_includes(tree: Map, context: IncludeContext) -> Map:
    """Return a tree of the repository with all it includes beneath it.

    :raises PipelineError: as :func:`load_configuration`.
    """
    return _Includes(context).expand(tree, context.tree)


class _Includes:
    def __init__(self, context: IncludeContext) -> None:
        self._context = context
        self._locations = Locations(context)
        self._count = 0

    def parse(self, found: IncludedFile, inputs: Mapping[str, Any]) -> Map:
        """Return the content of one file, its inputs filled in."""
        source = load_source(found.text, found.file)
        declared = self._header_inputs(source.header, found.folder)
        values = read_inputs(source.header, inputs, found.file, declared)
        if values is None:
            return source.content
        component = component_facts(source.header, found.component)
        return interpolate(source.content, values, self._context.variables, component)

    def _header_inputs(self, header: Map | None, here: Folder | None) -> list[Map]:
        """Return the inputs that ``spec:include`` brings; the files hold nothing else (1.3)."""
        spec = header.get("spec") if header is not None else None
        if not isinstance(spec, Map) or spec.get("include") is None:
            return []
        written, place = spec["include"], spec.place("include")
        found: list[Map] = []
        for index, entry in enumerate(written if isinstance(written, Seq) else [written]):
            at = written.place(index) if isinstance(written, Seq) else place
            for file, _ in self._files(entry, at, here):
                content = load_source(file.text, file.file).content
                if unknown := [as_text(key) for key in content if key != "inputs"]:
                    message = f"`{file.name}`: header:spec:include config contains unknown keys: "
                    raise PipelineError(message + ", ".join(unknown), *content.place(unknown[0]))
                if isinstance(content.get("inputs"), Map):
                    found.append(content["inputs"])
        return found

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
            for file, inputs in self._files(entry, at, here):
                try:
                    content = self.parse(file, inputs)
                except PipelineError as error:
                    raise PipelineError(
                        f"`{file.name}`: {error.message}", error.file, error.line, error.column, error.hint
                    ) from None
                if not content:
                    message = f"Included file `{file.name}` does not have valid YAML syntax!"
                    raise PipelineError(message, *at)
                merged = deep_merge(merged, self.expand(content, file.folder))
                included += 1
        if isinstance(written, Map) and not included:
            raise PipelineError("include config should be an array or a string", *place)
        own = tree.clone()
        del own["include"]
        return deep_merge(merged, own)

    def _files(
        self, entry: Any, at: Position, here: Folder | None
    ) -> list[tuple[IncludedFile, Mapping[str, Any]]]:
        """Return each file that an entry means, with the inputs given to it."""
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
        found = self._locations.find(kinds[0], entry, at, here)
        for _ in found:
            self._count += 1
            if self._count > MAX_INCLUDES:
                raise PipelineError(f"Maximum of {MAX_INCLUDES} nested includes are allowed!", *at)
        return [(one, inputs) for one in found]

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
