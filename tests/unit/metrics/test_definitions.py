"""Names, types and labels are gitlab-runner's (config-and-commands.md 4)."""

from __future__ import annotations

import re

from pyrunner.metrics import own, upstream
from pyrunner.metrics.definition import Kind
from tests.unit.metrics.table import BUCKETS, TABLE


def test_upstream_is_the_table() -> None:
    """Each metric of the table is defined with its type and labels, and no other under its prefix."""
    defined = {one.name: (str(one.kind), set(one.labels)) for one in upstream.ALL}
    wanted = {name: (kind, set(labels.split())) for name, (kind, labels) in TABLE.items()}
    from_the_library = {name for name in wanted if name.startswith("process_")} - defined.keys()
    assert defined == {name: one for name, one in wanted.items() if name not in from_the_library}
    assert len(from_the_library) == 6


def test_buckets_are_the_tables() -> None:
    """Dashboards name bounds: they have to be the same."""
    defined = {
        one.name: " ".join(f"{bound:g}" for bound in one.buckets)
        for one in upstream.ALL
        if one.kind is Kind.HISTOGRAM
    }
    assert defined == BUCKETS


def test_ours_are_told_apart_and_bounded() -> None:
    """Ours begin with pyrunner_, and none has a label that is one job's, project's or user's."""
    for one in own.ALL:
        assert re.fullmatch(r"pyrunner_[a-z0-9_]+", one.name)
        assert one.help.endswith(".")
        assert set(one.labels) <= {
            *("runner", "runner_name", "system_id", "stage", "mode", "result", "version", "python")
        }
        assert (one.kind is Kind.COUNTER) == one.name.endswith("_total")


def test_every_definition_is_shown() -> None:
    """What is defined is in ALL, once."""
    for module in (upstream, own):
        defined = [value for value in vars(module).values() if type(value).__name__ == "Metric"]
        assert sorted(one.name for one in module.ALL) == sorted(one.name for one in defined)
