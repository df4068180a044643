"""``spec:inputs``: what a header declares, and the values it accepts (gitlab-ci-yml.md 1.3, 1.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import re2  # type: ignore[import-untyped]

from pyrunner.ci.expression import ExpressionError, parse
from pyrunner.ci.tree import NOWHERE, Map, as_text, planted
from pyrunner.errors import PipelineError

_TYPES: Final = ("string", "number", "boolean", "array")
_KEYS: Final = ("type", "default", "options", "regex", "description", "rules")
_RULE_KEYS: Final = ("if", "options", "default")
_SPEC_KEYS: Final = ("inputs", "include", "component", "description")
_COMPONENT: Final = ("name", "sha", "version", "reference")
_MOST_OPTIONS: Final = 50
#: Complaints that are told at once.
_MOST_COMPLAINTS: Final = 3
_UNDECLARED: Final = "Given inputs not defined in the `spec` section of the included configuration file"


def read_inputs(
    header: Map | None, given: Mapping[str, Any], file: str, included: Sequence[Map] = ()
) -> dict[str, Any] | None:
    """Return the value of each declared input; None for a file without a header.

    :param included: what the files of ``spec:include`` declare.
    :raises PipelineError: for a header that is wrong, and for values it does not accept.
    """
    if header is None:
        if given:
            raise PipelineError(_UNDECLARED, file)
        return None
    definitions = _definitions(header, included)
    complaints: list[str] = []
    values: dict[str, Any] = {}
    # rules look at the values of other inputs: those without come first
    for name, definition in sorted(definitions.items(), key=lambda one: "rules" in one[1]):
        try:
            values[name] = _value(name, _decided(definition, values), given)
        except ValueError as error:
            complaints.append(f"`{name}` input: {error}")
    if unknown := [name for name in given if name not in definitions]:
        complaints.append(f"unknown input arguments: {', '.join(unknown)}")
    if complaints:
        raise PipelineError(", ".join(complaints[:_MOST_COMPLAINTS]), *header.place("spec"))
    return values


def component_facts(header: Map | None, known: Mapping[str, str]) -> dict[str, str]:
    """Return the facts about a component that the header asks for; unknown ones are empty.

    :raises PipelineError: for a name that is none.
    """
    spec = header.get("spec") if header is not None else None
    if not isinstance(spec, Map) or spec.get("component") is None:
        return {}
    wanted = spec["component"]
    if not isinstance(wanted, list) or not all(isinstance(one, str) for one in wanted):
        message = "header:spec:component config should be an array of strings"
        raise PipelineError(message, *spec.place("component"))
    if unknown := [one for one in wanted if one not in _COMPONENT]:
        message = f"header:spec:component config contains unknown values: {', '.join(unknown)}"
        raise PipelineError(message, *spec.place("component"))
    return {name: known.get(name, "") for name in wanted}


def _definitions(header: Map, included: Sequence[Map]) -> dict[str, Map]:
    if unknown := [as_text(key) for key in header if key != "spec"]:
        raise PipelineError(f"header config contains unknown keys: {', '.join(unknown)}", *header.position)
    spec = header["spec"] if isinstance(header["spec"], Map) else Map(header.place("spec"))
    if unknown := [as_text(key) for key in spec if key not in _SPEC_KEYS]:
        message = f"header:spec config contains unknown keys: {', '.join(unknown)}"
        raise PipelineError(message, *spec.place(unknown[0]))
    own = spec.get("inputs")
    if own is not None and not isinstance(own, Map):
        raise PipelineError("header:spec:inputs config should be a hash", *spec.place("inputs"))
    found: dict[str, Map] = {}
    for declared in (*included, own or Map()):
        for key, definition in declared.items():
            name = as_text(key)
            if name in found:
                raise PipelineError(f"Duplicate input keys found: {name}", *declared.place(key))
            found[name] = definition if isinstance(definition, Map) else Map(declared.place(key))
            _check_definition(name, found[name])
    return found


def _decided(definition: Map, values: Mapping[str, Any]) -> Map:
    """Return a definition with the options and default of the first of its rules that matches."""
    if "rules" not in definition:
        return definition
    seen = {f"inputs.{name}": as_text(value) for name, value in values.items()}
    decided = definition.clone()
    for rule in definition["rules"]:
        if rule.get("if") is None or parse(as_text(rule["if"])).is_true(seen):
            for key in ("options", "default"):
                if key in rule:
                    decided.put(key, rule[key], rule.place(key))
            break
    return decided


def _check_definition(name: str, rules: Map) -> None:
    where = f"header:spec:inputs:{name}"
    kind = rules.get("type", "string")
    if unknown := [as_text(key) for key in rules if key not in _KEYS]:
        message = f"{where} config contains unknown keys: {', '.join(unknown)}"
        raise PipelineError(message, *rules.place(unknown[0]))
    if kind not in _TYPES:
        raise PipelineError(f"{where} input type unknown value: {as_text(kind)}", *rules.place("type"))
    if "rules" in rules:
        _check_rules(where, rules)
    if "options" in rules and kind not in ("string", "number"):
        message = f"{where} Options can only be used with string and number inputs"
        raise PipelineError(message, *rules.place("options"))
    options = rules.get("options", [])
    if not isinstance(options, list) or len(options) > _MOST_OPTIONS:
        raise PipelineError(f"{where} options cannot exceed {_MOST_OPTIONS} items", *rules.place("options"))
    if "regex" in rules and kind != "string":
        message = f"{where} RegEx validation can only be used with string inputs"
        raise PipelineError(message, *rules.place("regex"))


def _check_rules(where: str, definition: Map) -> None:
    rules, place = definition["rules"], definition.place("rules")
    if not isinstance(rules, list) or not rules or not all(isinstance(one, Map) for one in rules):
        raise PipelineError(f"{where} rules should be an array of hashes", *place)
    if clash := [key for key in ("options", "default") if key in definition]:
        message = f"{where} config these keys cannot be used together: rules, {', '.join(clash)}"
        raise PipelineError(message, *definition.place(clash[0]))
    for rule in rules:
        if unknown := [as_text(key) for key in rule if key not in _RULE_KEYS]:
            message = f"{where}:rules:rule config contains unknown keys: {', '.join(unknown)}"
            raise PipelineError(message, *rule.place(unknown[0]))
        options = rule.get("options", [])
        if not isinstance(options, list) or len(options) > _MOST_OPTIONS:
            message = f"{where}:rules:rule options cannot exceed {_MOST_OPTIONS} items"
            raise PipelineError(message, *rule.place("options"))
        try:
            if rule.get("if") is not None:
                parse(as_text(rule["if"]))
        except ExpressionError as error:
            raise PipelineError(f"{where}:rules:rule if {error}", *rule.place("if")) from None


def _value(name: str, rules: Map, given: Mapping[str, Any]) -> Any:
    if name not in given and "default" not in rules:
        raise ValueError("required value has not been provided")
    whose = "provided value" if name in given else "default value"
    raw = given[name] if name in given else rules["default"]
    if raw is None:
        raw = ""
    kind = rules.get("type", "string")
    value = as_text(raw) if kind == "string" else _typed(raw, kind)
    if value is None:
        noun = {"number": "a number", "boolean": "a boolean", "array": "an array"}[kind]
        raise ValueError(f"{whose} is not {noun}")
    options = rules.get("options")
    if options is not None and value not in [as_text(one) if kind == "string" else one for one in options]:
        which = "in the list of allowed options" if kind == "string" else "in the list of the allowed options"
        raise ValueError(f"`{as_text(value)}` cannot be used because it is not {which}")
    if "regex" in rules and not _fits(as_text(rules["regex"]), value):
        raise ValueError(f"{whose} does not match required RegEx pattern")
    return value


def _fits(pattern: str, value: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options).search(value) is not None
    except re2.error:
        return False


def _typed(raw: Any, kind: str) -> Any:
    """Return ``raw``, or what its text holds as JSON, if it is of ``kind``; else None."""
    wanted: tuple[type, ...] = {"number": (int, float), "boolean": (bool,), "array": (list,)}[kind]
    if isinstance(raw, str):
        try:
            raw = planted(json.loads(raw), NOWHERE)
        except (ValueError, RecursionError):
            return None
    if not isinstance(raw, wanted) or (kind == "number" and isinstance(raw, bool)):
        return None
    return raw
