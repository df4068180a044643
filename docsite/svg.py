"""Small pictures as SVG text: boxes, arrows and lines of text on a fixed grid.

Colours are chosen to be read on a light and on a dark page; nothing is loaded from elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Final

_FONT: Final = "font-family='ui-sans-serif,Helvetica,Arial,sans-serif'"
_MONO: Final = "font-family='ui-monospace,Menlo,Consolas,monospace'"
#: Kind of a box to its fill and line.
_COLOURS: Final = {
    "ours": ("#dbeafe", "#2563eb"),
    "job": ("#dcfce7", "#16a34a"),
    "files": ("#fef3c7", "#d97706"),
    "outside": ("#f3f4f6", "#6b7280"),
}
_LINE: Final = "#6b7280"


@dataclass
class Picture:
    """A picture that grows by calls; sizes are pixels.

    :param title: what the picture shows, for who cannot see it.
    """

    width: int
    height: int
    title: str
    _parts: list[str] = field(default_factory=list)

    def box(self, x: int, y: int, width: int, height: int, kind: str, *lines: str) -> None:
        """Draw a box with centred lines, of which the first is bold."""
        fill, stroke = _COLOURS[kind]
        self._parts.append(
            f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='8' "
            f"fill='{fill}' stroke='{stroke}'/>"
        )
        top = y + height / 2 - 8 * (len(lines) - 1) + 4.5
        for number, line in enumerate(lines):
            weight = " font-weight='600'" if number == 0 else ""
            size = 14 if number == 0 else 12
            self._parts.append(
                f"<text x='{x + width / 2:g}' y='{top + 16 * number:g}' text-anchor='middle' {_FONT} "
                f"font-size='{size}'{weight} fill='#111827'>{escape(line)}</text>"
            )

    def arrow(
        self, points: list[tuple[int, int]], label: str = "", at: tuple[int, int] | None = None
    ) -> None:
        """Draw a line through the points with a head at its end, and a label at ``at``."""
        path = " ".join(f"{x},{y}" for x, y in points)
        self._parts.append(
            f"<polyline points='{path}' fill='none' stroke='{_LINE}' stroke-width='1.6' "
            "marker-end='url(#head)'/>"
        )
        if label and at:
            self.note(*at, label)

    def note(self, x: int, y: int, text: str) -> None:
        """Write a small line around ``x``, on a ground of its own so that lines do not cross it."""
        width = 6.3 * len(text) + 8
        self._parts.append(
            f"<rect x='{x - width / 2:g}' y='{y - 12}' width='{width:g}' height='16' rx='3' fill='#ffffff'/>"
        )
        self._parts.append(
            f"<text x='{x}' y='{y}' text-anchor='middle' {_FONT} font-size='12' fill='#374151'>"
            f"{escape(text)}</text>"
        )

    def row(self, x: int, y: int, name: str, meaning: str, at: int, kind: str) -> None:
        """Write a line of a folder tree: the name in ``kind``'s colour, what it is from ``at`` on."""
        self._parts.append(
            f"<text x='{x}' y='{y}' {_MONO} font-size='13' font-weight='600' fill='{_COLOURS[kind][1]}'>"
            f"{escape(name)}</text>"
        )
        self._parts.append(
            f"<text x='{at}' y='{y}' {_FONT} font-size='12.5' fill='#374151'>{escape(meaning)}</text>"
        )

    def branch(self, x: int, top: int, bottom: int, end: int) -> None:
        """Draw the line of a folder tree that leads from ``top`` down to ``bottom`` and right to ``end``."""
        self._parts.append(f"<path d='M{x} {top}V{bottom}H{end}' fill='none' stroke='#9ca3af'/>")

    def text(self) -> str:
        """Return the picture."""
        head = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}' "
            f"width='{self.width}' height='{self.height}' role='img'>"
            f"<title>{escape(self.title)}</title>"
            "<defs><marker id='head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' "
            f"orient='auto'><path d='M0 0L8 4L0 8z' fill='{_LINE}'/></marker></defs>"
            f"<rect width='{self.width}' height='{self.height}' rx='10' fill='#ffffff'/>"
        )
        return "\n".join([head, *self._parts, "</svg>"]) + "\n"
