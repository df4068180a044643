"""What may never be searched for; real trees are in tests/integration/test_process_tree.py."""

from __future__ import annotations

import os

import pytest

from pyrunner.system.process import ProcessIdentity
from pyrunner.system.proctree import find_job_processes, stop_tree


def test_empty_token_is_refused() -> None:
    """An empty marker would match whoever sets the variable to nothing."""
    with pytest.raises(ValueError, match="must not be empty"):
        find_job_processes("")


def test_unknown_token_finds_nobody() -> None:
    """A token that no process holds names no process."""
    assert find_job_processes("no-process-has-this-token") == []


def test_dead_wrapper_has_no_descendants() -> None:
    """An id that was given again does not make its children the job's."""
    init = ProcessIdentity.of(1)
    assert init is not None
    assert find_job_processes("no-process-has-this-token", ProcessIdentity(1, init.start_time + 1)) == []


def test_ourselves_and_init_survive_any_finder() -> None:
    """Whatever a finder says, neither this process nor pid 1 gets a signal."""
    found = [identity for pid in (1, os.getpid()) if (identity := ProcessIdentity.of(pid)) is not None]
    assert len(found) == 2
    assert stop_tree(lambda: found, grace=1.0, force=1.0) == []
