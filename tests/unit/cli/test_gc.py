"""What ``gc`` prints."""

from __future__ import annotations

from pyrunner.cli.gc import report
from pyrunner.manager.clean_up import CleanUpResult, Kept, Removal

NOW = 1_700_000_000.0
REMOVED = [
    Removal(
        "sources", "run/1/git.example.com/app/branches/a/source", 1_500_000_000, NOW - 86400 * 20, "beyond"
    ),
    Removal("cache", "cache/projects/git.example.com/7/unprotected/key", 500_000, NOW - 7200, "beyond"),
]


def test_a_round() -> None:
    """A row for each thing, then the sum, the disk and the budget; at the end what was to go and stays."""
    result = CleanUpResult("1", "/data/tristan/1", REMOVED, [Kept("job", "run/1/x", "in use")])
    result.used, result.disk_budget, result.free, result.min_free = 10**9, 2 * 10**9, 3 * 10**9, 10**9
    lines = report(result, dry_run=False, now=NOW).splitlines()
    assert lines[0] == "Runner 1 in /data/tristan/1"
    assert lines[1].split() == ["KIND", "NAME", "SIZE", "UNUSED", "FOR", "WHY"]
    assert lines[2].split() == ["sources", REMOVED[0].name, "1.5", "GB", "20", "days", "beyond"]
    assert lines[3].split() == ["cache", REMOVED[1].name, "500", "kB", "2", "h", "beyond"]
    assert lines[4] == (
        "2 removed (1.5 GB), 3.0 GB free on the disk, min_free is 1.0 GB, 1.0 GB of a budget of 2.0 GB used"
    )
    assert lines[5] == "Kept: job run/1/x: in use"


def test_nothing_to_do() -> None:
    """Without a budget that is said, too."""
    result = CleanUpResult("1", "/data/tristan/1", free=5)
    assert report(result, dry_run=True, now=NOW).splitlines() == [
        "Runner 1 in /data/tristan/1",
        "0 would be removed (0 bytes), 5 bytes free on the disk, no disk_budget",
    ]
