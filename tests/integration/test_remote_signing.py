"""The signing process: its failures are ours to tell, and it ends with its owner (ADR 9)."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from pyrunner.build.remote.signed import Opening, Request
from pyrunner.build.remote.signing import SigningProcess
from pyrunner.config.cache import CacheConfig
from pyrunner.errors import RemoteCacheError

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).resolve().parents[2]
REQUEST = Request("download", "name")


def signing(folder: Path, customised: str, patience: float = 30.0) -> SigningProcess:
    """Return a signing process that runs ``customised`` before anything else."""
    (folder / "sitecustomize.py").write_text(customised)
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{CHECKOUT}"}
    return SigningProcess(Opening(CacheConfig(type="s3")), environment, patience)


def children() -> list[psutil.Process]:
    """Return the signing processes of this one."""
    found = psutil.Process().children()
    return [one for one in found if "pyrunner.build.remote" in one.cmdline()]


def test_an_error_is_an_answer(tmp_path: Path) -> None:
    """The process lives on for the next key; it ends when its owner is gone."""
    process = signing(tmp_path, "")
    for _ in range(2):
        with pytest.raises(RemoteCacheError, match="missing S3 configuration"):
            process.ask(REQUEST)
    assert len(children()) == 1
    del process
    assert children() == []


@pytest.mark.parametrize(
    ("customised", "text"),
    [
        ("import os; os._exit(1)", "ended without an answer"),
        ("print('nonsense', flush=True)", "gave no answer"),
        ("print('[]', flush=True)", "gave no answer"),
        ("import time; time.sleep(60)", "took more than 0.5 s"),
    ],
)
def test_a_process_that_fails_is_not_asked_again(tmp_path: Path, customised: str, text: str) -> None:
    """Not for each key of a job: the first failure stands."""
    patience = 0.5 if "sleep" in customised else 30.0
    process = signing(tmp_path, customised, patience)
    for _ in range(2):
        with pytest.raises(RemoteCacheError, match=text):
            process.ask(REQUEST)
        assert children() == []
