"""Python source, changed at the places that its syntax tree names, and nowhere else."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ast


@dataclass(frozen=True, order=True)
class Edit:
    """A stretch of a source, and what comes in its place.

    Attributes:
        start, end: where it begins and ends: line, from 1, and offset in the line's UTF-8 bytes.
        text: what comes there.
    """

    start: tuple[int, int]
    end: tuple[int, int]
    text: str

    @classmethod
    def of(cls, node: ast.expr | ast.stmt, text: str) -> Self:
        """Replace a node."""
        end = (node.end_lineno or node.lineno, node.end_col_offset or node.col_offset)
        return cls((node.lineno, node.col_offset), end, text)

    @classmethod
    def after(cls, node: ast.stmt, text: str) -> Self:
        """Put something after the last line of a node, and of a comment behind it."""
        place = (node.end_lineno or node.lineno, sys.maxsize)
        return cls(place, place, text)

    @classmethod
    def before(cls, node: ast.stmt, text: str) -> Self:
        """Put something before a node."""
        place = (node.lineno, node.col_offset)
        return cls(place, place, text)


def edited(source: str, edits: list[Edit]) -> str:
    """The source with the edits, which do not overlap, made; a byte order mark stays."""
    mark = "\ufeff" if source.startswith("\ufeff") else ""
    # Not `splitlines`: it knows ends of lines that Python's parser does not.
    lines = source.removeprefix(mark).encode().split(b"\n")
    for edit in sorted(edits, reverse=True):
        (first, start), (last, end) = edit.start, edit.end
        kept = lines[last - 1][end:]
        lines[first - 1 : last] = [lines[first - 1][:start] + edit.text.encode() + kept]
    return mark + b"\n".join(lines).decode()
