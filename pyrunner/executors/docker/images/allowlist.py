"""Which images and services a runner lets pipelines use (docker-executor.md 3.1)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from pyrunner.errors import PyrunnerError
from pyrunner.executors.base import Report
from pyrunner.executors.docker.images.doublestar import matches
from pyrunner.system.golang import quoted

_HELP: Final = (
    "Please check runner's allowed_images configuration: "
    "https://docs.gitlab.com/runner/configuration/advanced-configuration/"
)


def is_allowed(image: str, patterns: Sequence[str], internal: Collection[str] = ()) -> bool:
    """Tell whether any pattern matches the name as it is written; an empty list allows everything.

    :param internal: names that config.toml itself uses; always allowed.
    """
    return not patterns or image in internal or any(matches(one, image) for one in patterns)


def check_allowed(
    image: str, kind: str, patterns: Sequence[str], internal: Collection[str], report: Report
) -> None:
    """Say so in the trace, and raise, when an image is not allowed.

    :param kind: ``images`` or ``services``, as the trace names the list.
    :raises PyrunnerError: ``disallowed image``.
    """
    if is_allowed(image, patterns, internal):
        return
    report.plain("")
    report.error(f"The {quoted(image)} image is not present on list of allowed {kind}:")
    for one in patterns:
        report.plain(f"- {one}")
    report.plain("")
    report.plain(_HELP)
    raise PyrunnerError("disallowed image")
