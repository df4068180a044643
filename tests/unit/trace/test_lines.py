"""Lines of our own."""

from __future__ import annotations

from pyrunner.trace import lines


def test_levels() -> None:
    """Prefix and suffix of each level are those of job-execution.md 6.1."""
    assert lines.plain("text") == b"\x1b[0Ktext\x1b[0;m\n"
    assert lines.plain("") == b"\x1b[0K\x1b[0;m\n"
    assert lines.info("text") == b"\x1b[32;1mtext\x1b[0;m\n"
    assert lines.warning("text") == b"\x1b[0;33mWARNING: text\x1b[0;m\n"
    assert lines.error("text") == b"\x1b[31;1mERROR: text\x1b[0;m\n"


def test_sections() -> None:
    """Markers hold whole seconds and no newline; a title ends with two resets (6.1)."""
    assert lines.section_start("prepare_executor", 1767323045.9) == (
        b"section_start:1767323045:prepare_executor\r\x1b[0K"
    )
    assert lines.section_end("prepare_executor", 1767323045.9) == (
        b"section_end:1767323045:prepare_executor\r\x1b[0K"
    )
    assert lines.section_title("Preparing environment") == (
        b"\x1b[0K\x1b[36;1mPreparing environment\x1b[0;m\x1b[0;m\n"
    )
