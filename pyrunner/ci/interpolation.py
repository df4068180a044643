"""``$[[ inputs.x | function ]]``: inputs put into the parsed tree (gitlab-ci-yml.md 1.5)."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, Final

from pyrunner.ci.expansion import expand
from pyrunner.ci.tree import NOWHERE, Map, Position, Reference, Seq, as_text, planted
from pyrunner.errors import PipelineError

_BLOCK: Final = re.compile(r"\$\[\[\s*((?:(?!\]\]).){2,}?)\s*\]\]", re.DOTALL)
_ACCESS: Final = re.compile(r"inputs\.([\w-]+)((?:\[\d+\])*)")
_CALL: Final = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)
_MOST_FUNCTIONS: Final = 3
_MOST_BLOCKS: Final = 10_000
_LONGEST_TEXT: Final = 1024 * 1024


def interpolate(
    tree: Map,
    inputs: Mapping[str, Any],
    variables: Mapping[str, str],
    component: Mapping[str, str] | None = None,
) -> Map:
    """Return ``tree`` with its blocks replaced; a scalar that is one block takes the input's type.

    :param variables: what ``expand_vars`` sees (2.2).
    :param component: the facts that ``$[[ component.x ]]`` may name.
    :raises PipelineError: for blocks that cannot be read or name nothing, at their position.
    """
    done = _Interpolation(inputs, variables, component or {}).walk(tree, tree.position)
    assert isinstance(done, Map)
    return done


class _Interpolation:
    def __init__(
        self, inputs: Mapping[str, Any], variables: Mapping[str, str], component: Mapping[str, str]
    ) -> None:
        self._inputs = inputs
        self._component = component
        self._variables = variables
        self._blocks = 0

    def walk(self, value: Any, place: Position) -> Any:
        if isinstance(value, Map):
            made = Map(value.position)
            for key, item in value.items():
                at = value.place(key)
                made.put(self._scalar(key, at), self.walk(item, at), at)
            return made
        if isinstance(value, Seq):
            items = Seq(value.position)
            for index, item in enumerate(value):
                at = value.place(index)
                inner = self.walk(item, at)
                if isinstance(item, str) and isinstance(inner, list):  # one block: spliced
                    for one in inner:
                        items.put(one, at)
                else:
                    items.put(inner, at)
            return items
        if isinstance(value, Reference):
            return Reference(tuple(self._scalar(one, place) for one in value.path), value.position)
        return self._scalar(value, place)

    def _scalar(self, value: Any, place: Position) -> Any:
        if not isinstance(value, str) or "$[[" not in value:
            return value
        try:
            if (whole := _BLOCK.fullmatch(value)) and not whole[1].startswith("matrix."):
                return self._block(whole)
            text = _BLOCK.sub(self._rendered, value)
        except ValueError as error:
            raise PipelineError(str(error), *place) from None
        if len(text) > _LONGEST_TEXT:
            raise PipelineError("config node too large", *place)
        return text

    def _rendered(self, match: re.Match[str]) -> str:
        if match[1].startswith("matrix."):
            return match[0]
        value = self._block(match)
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else as_text(value)

    def _block(self, match: re.Match[str]) -> Any:
        self._blocks += 1
        if self._blocks > _MOST_BLOCKS:
            raise ValueError("too many interpolation blocks")
        access, *calls = (part.strip() for part in match[1].split("|"))
        if len(calls) > _MOST_FUNCTIONS:
            raise ValueError("too many functions in interpolation block")
        value = self._input(access)
        for call in calls:
            value = self._call(call, value)
        return value

    def _input(self, access: str) -> Any:
        read = _ACCESS.fullmatch(access)
        if read is None:
            if access.startswith("component."):
                return self._fact(access)
            raise ValueError("invalid pattern used for interpolation. valid pattern is $[[ inputs.input ]]")
        if read[1] not in self._inputs:
            raise ValueError(f"unknown interpolation provided: `{read[1]}` in `{access}`")
        value = self._inputs[read[1]]
        for index in map(int, re.findall(r"\d+", read[2])):
            size = len(value) if isinstance(value, list) else 0
            if index >= size:
                raise ValueError(f"array index {index} out of bounds (size: {size})")
            value = value[index]
        return value

    def _fact(self, access: str) -> str:
        name = access.removeprefix("component.")
        if name not in self._component:
            raise ValueError(f"unknown interpolation provided: `{name}` in `{access}`")
        return self._component[name]

    def _call(self, call: str, value: Any) -> Any:
        read = _CALL.fullmatch(call)
        name, arguments = (read[1], read[2]) if read else ("", None)
        numbers = re.fullmatch(r"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*", arguments or "")
        quoted = re.fullmatch(r"\s*(?:'([^']+)'|\"([^\"]+)\")\s*", arguments or "")
        plain = name in ("expand_vars", "posix_escape") and arguments is None
        if not plain and not (name == "truncate" and numbers) and not (name == "split" and quoted):
            raise ValueError(
                f"no function matching `{call}`: check that the function name, arguments, "
                "and types are correct"
            )
        if not isinstance(value, str):
            raise ValueError(
                f"error in `{name}` function: invalid input type: {name} can only be used with string inputs"
            )
        if name == "split" and quoted:
            return planted(value.split(quoted[1] or quoted[2]), NOWHERE)
        if numbers:
            return value[int(numbers[1]) : int(numbers[1]) + int(numbers[2])]
        if name == "posix_escape":
            return shlex.quote(value)
        return expand(value, self._variables, keep_unknown=True)
