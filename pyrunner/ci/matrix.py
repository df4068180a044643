"""``parallel`` and ``parallel:matrix``: the names of the instances (gitlab-ci-yml.md 3.7)."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any, Final

from pyrunner.ci.finding import Findings
from pyrunner.ci.tree import Map, Position, as_text

#: Instances of one job.
MAX_INSTANCES: Final = 200


@dataclass(frozen=True, slots=True)
class Instance:
    """One of the jobs that a parallel job becomes; ``index`` counts from 1 (0: the job is not parallel)."""

    name: str
    index: int
    total: int
    variables: dict[str, str] = field(default_factory=dict)


def expand_parallel(name: str, parallel: Any) -> list[Instance]:
    """Return the instances of a job, in order; a name that comes twice is kept as the later one."""
    if isinstance(parallel, int):
        return [Instance(f"{name} {n}/{parallel}", n, parallel) for n in range(1, parallel + 1)]
    products = [one for row in parallel["matrix"] for one in _products(row)]
    instances = {}
    for index, variables in enumerate(products, 1):
        full = f"{name}: [{', '.join(variables.values())}]"
        instances[full] = Instance(full, index, len(products), variables)
    return list(instances.values())


def selected_names(name: str, matrix: Any) -> list[str]:
    """Return the names that ``needs:parallel:matrix`` means."""
    return [f"{name}: [{', '.join(one.values())}]" for row in matrix for one in _products(row)]


def _products(row: Map) -> list[dict[str, str]]:
    columns = [value if isinstance(value, list) else [value] for value in row.values()]
    names = [as_text(key) for key in row]
    combined = itertools.product(*columns)
    return [dict(zip(names, map(as_text, values), strict=True)) for values in combined]


def check_parallel(where: str, parallel: Any, place: Position, findings: Findings) -> bool:
    """Add what is wrong with the value of ``parallel``; tell whether it can be expanded."""
    before = len(findings)
    if isinstance(parallel, int) and not isinstance(parallel, bool):
        if parallel > MAX_INSTANCES:
            findings.entry(where, f"config must be less than or equal to {MAX_INSTANCES}", place)
        elif parallel < 1:
            findings.entry(where, "config must be greater than or equal to 1", place)
        return len(findings) == before
    if not isinstance(parallel, Map):
        findings.entry(where, "should be an integer or a hash", place)
        return False
    if unknown := [as_text(key) for key in parallel if key != "matrix"]:
        findings.entry(where, f"config contains unknown keys: {', '.join(unknown)}", place)
    if "matrix" not in parallel:
        findings.entry(where, "config missing required keys: matrix", place)
        return False
    check_matrix(f"{where}:matrix", parallel["matrix"], parallel.place("matrix"), findings)
    return len(findings) == before


def check_matrix(where: str, matrix: Any, place: Position, findings: Findings) -> bool:
    """Add what is wrong with a matrix; tell whether it can be expanded."""
    if not isinstance(matrix, list) or not all(isinstance(one, Map) for one in matrix):
        findings.entry(where, "config should be an array of hashes", place)
        return False
    total, before = 0, len(findings)
    for row in matrix:
        columns = [value if isinstance(value, list) else [value] for value in row.values()]
        if not columns:
            findings.entry(f"{where}:variables", "config requires at least 1 items", row.position)
        elif not all(type(one) in (str, int) for column in columns for one in column):
            message = "config should be a hash of key value pairs, value can be an array"
            findings.entry(f"{where}:variables", message, row.position)
        total += math.prod(map(len, columns))
    if total > MAX_INSTANCES:
        findings.entry(where, f"config generates too many jobs (maximum is {MAX_INSTANCES})", place)
    return len(findings) == before
