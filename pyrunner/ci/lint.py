"""All that is wrong with a .gitlab-ci.yml, before there is any pipeline (gitlab-ci-yml.md 1.1, steps 1 to 9).

Whether a pipeline comes of it depends on the event: :func:`pyrunner.ci.compiler.compile_pipeline`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyrunner.ci.configuration import read_configuration
from pyrunner.ci.finding import Finding
from pyrunner.ci.locations import IncludeContext


def lint(
    text: str, file: str, context: IncludeContext, inputs: Mapping[str, Any] | None = None
) -> list[Finding]:
    """Return every finding about a configuration, warnings last; an empty list when there is none.

    :param file: its name, as it shall stand in findings.
    """
    found = read_configuration(text, file, context, inputs).findings
    return [*found.errors, *(one for one in found if one.warning)]
