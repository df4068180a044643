"""``python -m bench``: measure, print a table, write bench-results.json."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.cache import cache_figures
from bench.docker import docker_figures
from bench.figures import Figure, show, store
from bench.jobs import job_figures, memory_figures
from bench.recovery import recovery_figures
from bench.startup import startup_figures
from bench.trace import trace_figures

_PARTS = {
    "startup": startup_figures,
    "trace": trace_figures,
    "jobs": job_figures,
    "memory": memory_figures,
    "recovery": recovery_figures,
    "cache": cache_figures,
    "docker": docker_figures,
}


def main() -> None:
    """Run the parts named on the command line, or all."""
    figures: list[Figure] = []
    for name in sys.argv[1:] or list(_PARTS):
        sys.stderr.write(f"measuring {name} ...\n")
        figures.extend(_PARTS[name]())
    sys.stdout.write(show(figures) + "\n")
    store(figures, Path("bench-results.json"))


if __name__ == "__main__":
    main()
