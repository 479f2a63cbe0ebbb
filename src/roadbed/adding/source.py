"""Python source, changed at the places that its syntax tree names, and nowhere else."""

from __future__ import annotations

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
    def before(cls, node: ast.stmt, text: str) -> Self:
        """Put something before a node."""
        place = (node.lineno, node.col_offset)
        return cls(place, place, text)


def edited(source: str, edits: list[Edit]) -> str:
    """The source with the edits, which do not overlap, made."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    for edit in sorted(edits, reverse=True):
        (first, start), (last, end) = edit.start, edit.end
        kept = lines[last - 1][end:]
        lines[first - 1 : last] = [lines[first - 1][:start] + edit.text.encode() + kept]
    return b"".join(lines).decode()
