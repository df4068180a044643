"""A file of variables for one command: written by the shell itself, readable by the job's user only.

Neither a command line nor ``xtrace`` shows what is in it (job-execution.md 2.4, 7.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pyrunner.shells.bash import BashWriter
from pyrunner.shells.quoting import Word

_ESCAPED: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "$": "\\$", "`": "\\`", "\n": "\\n", "\r": "\\r"})
_END: Final = "END-OF-VARIABLES"


def write_dotenv(writer: BashWriter, path: Word, variables: Mapping[str, str]) -> None:
    """Write ``path`` anew with a line ``KEY="value"`` for each variable."""
    content = "".join(f'{key}="{value.translate(_ESCAPED)}"\n' for key, value in variables.items())
    file = writer.word(path)
    writer.remove_file(path)
    # What follows the first line stands at its very beginning: so does the end of a here-document.
    writer.line(f"(umask 077; cat > {file} << '{_END}'\n{content}{_END}\n)")
