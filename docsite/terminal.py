"""What a program has printed, as a picture of a terminal; without colours, as in a pipe."""

from __future__ import annotations

from html import escape
from typing import Final

_LINE: Final = 18
#: Width of a character of 13 pixels in the usual fonts.
_COLUMN: Final = 7.83


def terminal_picture(title: str, command: str, output: str) -> str:
    """Return an SVG of a terminal in which ``command`` was typed and ``output`` came."""
    lines = output.rstrip("\n").splitlines()
    columns = max(len(command) + 2, *map(len, lines))
    width, height = round(columns * _COLUMN) + 40, (len(lines) + 1) * _LINE + 56
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' "
        f"height='{height}' role='img'><title>{escape(title)}</title>",
        f"<rect width='{width}' height='{height}' rx='8' fill='#111827'/>",
        *(f"<circle cx='{18 + 18 * n}' cy='18' r='5' fill='#4b5563'/>" for n in range(3)),
        "<g font-family='ui-monospace,Menlo,Consolas,monospace' font-size='13' xml:space='preserve'>",
        f"<text x='20' y='50' fill='#4ade80'>$ {escape(command)}</text>",
    ]
    for number, line in enumerate(lines, 1):
        parts.append(f"<text x='20' y='{50 + number * _LINE}' fill='#e5e7eb'>{escape(line)}</text>")
    return "\n".join([*parts, "</g>", "</svg>"]) + "\n"
