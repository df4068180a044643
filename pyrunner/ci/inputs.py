"""``spec:inputs``: what a header declares, and the values it accepts (gitlab-ci-yml.md 1.3, 1.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import re2  # type: ignore[import-untyped]

from pyrunner.ci.tree import NOWHERE, Map, as_text, planted
from pyrunner.errors import PipelineError

_TYPES: Final = ("string", "number", "boolean", "array")
_KEYS: Final = ("type", "default", "options", "regex", "description")
_MOST_OPTIONS: Final = 50
#: Complaints that are told at once.
_MOST_COMPLAINTS: Final = 3
_UNDECLARED: Final = "Given inputs not defined in the `spec` section of the included configuration file"


def read_inputs(header: Map | None, given: Mapping[str, Any], file: str) -> dict[str, Any] | None:
    """Return the value of each declared input; None for a file without a header.

    :raises PipelineError: for a header that is wrong, and for values it does not accept.
    """
    if header is None:
        if given:
            raise PipelineError(_UNDECLARED, file)
        return None
    if unknown := [as_text(key) for key in header if key != "spec"]:
        raise PipelineError(f"header config contains unknown keys: {', '.join(unknown)}", *header.position)
    spec = header["spec"] if isinstance(header["spec"], Map) else Map(header.place("spec"))
    for key in spec:
        if key in ("include", "component"):
            raise PipelineError(
                f"header:spec {key} is not supported by pyrunner",
                *spec.place(key),
                hint="declare the inputs in this file",
            )
        if key not in ("inputs", "description"):
            raise PipelineError(f"header:spec config contains unknown keys: {as_text(key)}", *spec.place(key))
    declared = spec.get("inputs")
    if declared is None:
        declared = Map(spec.position)
    if not isinstance(declared, Map):
        raise PipelineError("header:spec:inputs config should be a hash", *spec.place("inputs"))
    complaints: list[str] = []
    values: dict[str, Any] = {}
    for name, definition in declared.items():
        rules = definition if isinstance(definition, Map) else Map(declared.place(name))
        _check_definition(as_text(name), rules)
        try:
            values[as_text(name)] = _value(as_text(name), rules, given)
        except ValueError as error:
            complaints.append(f"`{name}` input: {error}")
    if unknown := [name for name in given if name not in {as_text(one) for one in declared}]:
        complaints.append(f"unknown input arguments: {', '.join(unknown)}")
    if complaints:
        raise PipelineError(", ".join(complaints[:_MOST_COMPLAINTS]), *header.place("spec"))
    return values


def _check_definition(name: str, rules: Map) -> None:
    where = f"header:spec:inputs:{name}"
    kind = rules.get("type", "string")
    if "rules" in rules:
        hint = "use options and default"
        raise PipelineError(f"{where} rules is not supported by pyrunner", *rules.place("rules"), hint=hint)
    if unknown := [as_text(key) for key in rules if key not in _KEYS]:
        message = f"{where} config contains unknown keys: {', '.join(unknown)}"
        raise PipelineError(message, *rules.place(unknown[0]))
    if kind not in _TYPES:
        raise PipelineError(f"{where} input type unknown value: {as_text(kind)}", *rules.place("type"))
    if "options" in rules and kind not in ("string", "number"):
        message = f"{where} Options can only be used with string and number inputs"
        raise PipelineError(message, *rules.place("options"))
    options = rules.get("options", [])
    if not isinstance(options, list) or len(options) > _MOST_OPTIONS:
        raise PipelineError(f"{where} options cannot exceed {_MOST_OPTIONS} items", *rules.place("options"))
    if "regex" in rules and kind != "string":
        message = f"{where} RegEx validation can only be used with string inputs"
        raise PipelineError(message, *rules.place("regex"))


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
