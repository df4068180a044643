"""The folder that an image is built in: Dockerfile, entry point, deb, and nothing that would not be used."""

from __future__ import annotations

import shutil
from pathlib import Path

from staging import SOURCE, BuildFailed, version


def make_context(out: Path, release: str) -> Path:
    """Write ``image/`` into ``out``, around the deb that is there, and return its path.

    :raises BuildFailed: when there is no deb.
    """
    debs = sorted(out.glob(f"pyrunner_{version()}-{release}_*.deb"))
    if not debs:
        raise BuildFailed(f"no deb in {out}: make it in the same call or before")
    context = out / "image"
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(SOURCE / "packaging/docker", context)
    shutil.copy(debs[0], context / "pyrunner.deb")
    return context
