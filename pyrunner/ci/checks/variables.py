"""``variables`` at the root, in jobs, in rules and in services (gitlab-ci-yml.md 3.9)."""

from __future__ import annotations

from typing import Any, Final

from pyrunner.ci.checks.entry import Entry, is_strings, mapping
from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position, as_text

ROOT_KEYS: Final = ("value", "description", "options", "expand")
JOB_KEYS: Final = ("value", "expand")
_SCALARS: Final = (str, int, float, bool, type(None))


def check_variables(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with variables whose values can only be scalars."""
    check_variable_data(where, value, place, findings, ())


def check_job_variables(where: str, value: Any, place: Position, findings: Findings) -> None:
    """Add what is wrong with a job's variables."""
    check_variable_data(where, value, place, findings, JOB_KEYS)


def check_variable_data(
    where: str, value: Any, place: Position, findings: Findings, keys: tuple[str, ...]
) -> None:
    """Add what is wrong with variables; ``keys`` are those a value that is a mapping may have."""
    entry = mapping(where, value, place, findings)
    if entry is None:
        return
    for name, data in entry.value.items():
        at = entry.value.place(name)
        if isinstance(data, Map):
            _check_data(Entry(f"{where}:{as_text(name)}", data, findings), at, keys)
        elif not isinstance(data, _SCALARS):
            hint = "the value of a variable is one text; write a list as one, with separators"
            findings.add("variable definition must be either a string or a hash", at, hint)


def _check_data(entry: Entry, at: Position, keys: tuple[str, ...]) -> None:
    if not keys:
        entry.config("must be a string", at)
        return
    for key in ("value", "description"):
        if not isinstance(entry.get(key), _SCALARS):
            entry.says(f"config_{key}", "must be a scalar")
    expand = entry.get("expand")
    if expand is not None and not isinstance(expand, bool):
        entry.findings.entry(
            entry.where, "config expand should be a boolean value", entry.value.place("expand")
        )
    if unknown := [as_text(key) for key in entry.value if key not in keys]:
        message = f"uses invalid data keys: {', '.join(unknown)}"
        hint = "a job's variable has value and expand only" if keys == JOB_KEYS else "check the spelling"
        entry.config(message, entry.value.place(unknown[0]), hint)
        return
    options = entry.get("options")
    if options is None:
        return
    if not is_strings(options):
        entry.config("options should be an array of strings", entry.value.place("options"))
    elif options and entry.get("value") not in options:
        entry.config("value must be present in options", entry.value.place("options"))
