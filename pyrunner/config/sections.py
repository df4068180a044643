"""Which lines of config.toml make up which ``[[runners]]`` entry.

An entry is its ``[[runners]]`` section and the sections of its sub-tables, wherever they stand. A
section begins with the blank lines and the comment directly above its header; a comment indented
deeper than the header belongs to the section before. What follows its last statement is its own while
it is a comment without a blank line before it, or indented; a comment in the first column after a
blank line is the file's and stays when the entry goes.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyrunner.config.scanner import Header, Layout, Path


@dataclass(frozen=True)
class Span:
    """A piece of the text."""

    start: int
    end: int


def entry_spans(layout: Layout, entry: Path) -> list[Span]:
    """Return the pieces of text that belong to ``entry`` (e.g. ``("runners", 0)``), in order."""
    headers = layout.headers
    spans: list[Span] = []
    index = 0
    while index < len(headers):
        if not _belongs(headers[index], entry):
            index += 1
            continue
        first = index
        while index < len(headers) and _belongs(headers[index], entry):
            index += 1
        following = headers[index] if index < len(headers) else None
        start = _leading_start(layout, headers[first].start)
        limit = _leading_start(layout, following.start) if following else len(layout.text)
        spans.append(Span(start, _owned_end(layout, headers[index - 1], limit)))
    return spans


def _belongs(header: Header, entry: Path) -> bool:
    return header.path[: len(entry)] == entry


def _leading_start(layout: Layout, header: int) -> int:
    """Return where the blank lines and the comment directly above a header begin."""
    text = layout.text
    start = text.rfind("\n", 0, header) + 1
    indent = header - start
    while start > 0 and _is_comment(_line_before(text, start), indent):
        start = text.rfind("\n", 0, start - 1) + 1
    while start > 0 and not _line_before(text, start).strip():
        start = text.rfind("\n", 0, start - 1) + 1
    # a line of a multi-line string may look blank, or like a comment
    return max(start, _floor(layout, header))


def _is_comment(line: str, indent: int) -> bool:
    """Tell whether a line is a comment that is indented no deeper than the header below it."""
    bare = line.lstrip(" \t")
    return bare.startswith("#") and len(line) - len(bare) <= indent


def _line_before(text: str, start: int) -> str:
    return text[text.rfind("\n", 0, start - 1) + 1 : start - 1]


def _floor(layout: Layout, offset: int) -> int:
    """Return the start of the line after the last statement or header before ``offset``."""
    taken = [end for end in layout.statement_ends if end <= offset]
    taken.extend(header.start for header in layout.headers if header.start < offset)
    if taken:
        return _next_line(layout.text, max(taken))
    return 1 if layout.text.startswith("\ufeff") else 0


def _next_line(text: str, offset: int) -> int:
    """Return the start of the line after the one that ``offset`` is in."""
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


def _owned_end(layout: Layout, header: Header, limit: int) -> int:
    """Return where the lines of the section under ``header`` end; at most ``limit``."""
    text = layout.text
    last = max([header.start, *(end for end in layout.statement_ends if end <= limit)])
    position = end = _next_line(text, last)
    after_blank = False
    while position < limit:
        stop = _next_line(text, position)
        line = text[position:stop]
        if not line.strip():
            after_blank = True
        elif line.startswith("#") and after_blank:
            break
        else:
            end = stop
        position = stop
    return end
