"""Variables in texts, as the server expands them (gitlab-ci-yml.md 5.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

#: ``$$`` and ``%%`` protect and stay; anything else that is no name stays as well.
REFERENCE: Final = re.compile(r"\$\$|%%|\$(\w+)|\$\{(\w+)\}|%(\w+)%", re.ASCII)


def expand(text: str, variables: Mapping[str, str], *, keep_unknown: bool = False) -> str:
    """Return ``text`` with its references replaced, one level deep.

    :param keep_unknown: leave references to unknown names as written instead of making them empty.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        if name is None or name[0].isdigit():
            return match[0]
        return variables.get(name, match[0] if keep_unknown else "")

    return REFERENCE.sub(value, text)
