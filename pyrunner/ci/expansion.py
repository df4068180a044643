"""Variables in texts, as the server expands them (gitlab-ci-yml.md 5.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from pyrunner.errors import PipelineError

#: Characters that one text may grow to: variables that use each other twice double at every step.
MAX_EXPANDED: Final = 1024 * 1024
#: ``$$`` and ``%%`` protect and stay; anything else that is no name stays as well.
REFERENCE: Final = re.compile(r"\$\$|%%|\$(\w+)|\$\{(\w+)\}|%(\w+)%", re.ASCII)


def expand(text: str, variables: Mapping[str, str], *, keep_unknown: bool = False) -> str:
    """Return ``text`` with its references replaced, one level deep.

    :param keep_unknown: leave references to unknown names as written instead of making them empty.
    :raises PipelineError: when it becomes longer than :data:`MAX_EXPANDED`.
    """

    def value(name: str) -> str | None:
        return variables.get(name, None if keep_unknown else "")

    return replace_references(text, value)


def replace_references(text: str, value: Callable[[str], str | None]) -> str:
    """Return ``text`` with each reference replaced by what ``value`` says; None leaves it as written.

    :raises PipelineError: when it becomes longer than :data:`MAX_EXPANDED`.
    """
    grown = 0

    def replaced(match: re.Match[str]) -> str:
        nonlocal grown
        name = match[1] or match[2] or match[3]
        if name is None or name[0].isdigit():
            return match[0]
        found = value(name)
        if found is None:
            return match[0]
        grown += len(found)
        if grown > MAX_EXPANDED:
            hint = "look for variables that use others more than once"
            raise PipelineError(f"{match[0]}: variables expand to more than 1 MiB", hint=hint)
        return found

    return REFERENCE.sub(replaced, text)
