"""docs/metrics.md names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from pyrunner.metrics import own, upstream

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


def test_every_metric_is_described() -> None:
    """Each with its type and labels, and no other."""
    rows = re.findall(
        r"^\| `((?:gitlab_runner|pyrunner|process)_\w+)` \| (\w+) \| ([^|]*)\|", PAGE.read_text(), re.M
    )
    runner = {"runner", "runner_name", "system_id"}
    found = {}
    for name, kind, cell in rows:
        words, _, _ = cell.partition(";")
        labels = set(re.findall(r"`(\w+)`", words)) | (runner if "R" in words.split() else set())
        found[name] = (kind, labels)
    assert found == {one.name: (str(one.kind), set(one.labels)) for one in (*upstream.ALL, *own.ALL)}
