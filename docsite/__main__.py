"""``python -m docsite``: write what is generated below ``docs/``; ``--check`` only tells what is stale."""

from __future__ import annotations

import sys
from pathlib import Path

from docsite.generated import generated_files

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: list[str]) -> int:
    """Write or compare the files; the exit code is 1 when ``--check`` finds one that is out of date."""
    stale = 0
    for name, text in generated_files().items():
        path = ROOT / "docs" / name
        if path.exists() and path.read_text() == text:
            continue
        stale += 1
        sys.stdout.write(f"docs/{name}\n")
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
