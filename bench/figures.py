"""Figures with their targets, as a table and as JSON."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from tabulate import tabulate


@dataclass(frozen=True)
class Figure:
    """One measured figure; ``target`` None: none is set."""

    name: str
    value: float
    unit: str
    target: float | None = None
    #: A smaller value is better.
    smaller: bool = True
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Tell whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.smaller else self.value >= self.target


def median(values: list[float]) -> float:
    """Return the median; single runs on a shared machine say little."""
    return statistics.median(values)


def show(figures: list[Figure]) -> str:
    """Return the figures as a table."""
    words = {None: "", True: "met", False: "MISSED"}
    rows = [
        [one.name, f"{one.value:.1f} {one.unit}", _target(one), words[one.met], one.note] for one in figures
    ]
    return str(tabulate(rows, headers=["figure", "value", "target", "", "note"]))


def _target(one: Figure) -> str:
    if one.target is None:
        return ""
    return f"{'<' if one.smaller else '>'} {one.target:g} {one.unit}"


def store(figures: list[Figure], path: Path) -> None:
    """Write the figures as JSON."""
    path.write_text(json.dumps([{**asdict(one), "met": one.met} for one in figures], indent=2) + "\n")
