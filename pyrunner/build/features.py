"""Feature flags of one job: config over variables over defaults (job-execution.md 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyrunner.protocol.feature_flags import FLAGS
from pyrunner.protocol.variables import Variable, VariableSet, parse_bool


class Features:
    """The resolved flags; every known flag has a value."""

    def __init__(self, values: Mapping[str, bool]) -> None:
        self._values = {**FLAGS, **values}

    def on(self, name: str) -> bool:
        """Tell whether the flag is on; a name that is no flag is off."""
        return self._values.get(name, False)

    def changed(self) -> list[tuple[str, bool]]:
        """Return the flags off their default, in gitlab-runner's order."""
        return [
            (name, self._values[name]) for name, default in FLAGS.items() if self._values[name] != default
        ]

    def variables(self) -> Iterable[Variable]:
        """Return the flags as the job sees them."""
        return flag_variables(self._values)


def default_variables() -> Iterable[Variable]:
    """Return the flags at their defaults, as resolution begins with them."""
    return flag_variables(FLAGS)


def flag_variables(values: Mapping[str, bool]) -> Iterable[Variable]:
    """Return one public variable a known flag."""
    return [Variable(name, "true" if values[name] else "false", public=True, internal=True) for name in FLAGS]


def resolve_features(config: Mapping[str, bool], variables: VariableSet) -> tuple[Features, list[str]]:
    """Resolve all flags.

    :param config: ``[runners.feature_flags]``, which has the last word and hides a bad variable.
    :param variables: defaults and variables of the job, expanded.
    :returns: the flags and one warning a variable that is no boolean.
    """
    values: dict[str, bool] = {}
    warnings: list[str] = []
    for name, default in FLAGS.items():
        if name in config:
            values[name] = config[name]
            continue
        text = variables.get(name)
        parsed = parse_bool(text)
        values[name] = default if parsed is None else parsed
        if parsed is None:
            warnings.append(f"{name}: could not parse feature flag, expected bool, got {text}")
    return Features(values), warnings
