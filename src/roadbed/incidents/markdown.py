"""Lines of Markdown, and which of them are code: all that reading a runbook needs of CommonMark.

A parser for the whole of it takes as long to import as a bare command takes to run, and a search
can't wait for that. Before anything is written `runbook.py` has one confirm what was found here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]|$)")
FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})")

# CommonMark's line endings alone: no U+2028 and no form feed, as `str.splitlines` would have it.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_MAY_OPEN = ("`", "~", " ")


def split(text: str) -> list[str]:
    """The lines of `text`, each with its ending."""
    return _LINE.findall(text)


def bare(line: str) -> str:
    """A line without its ending."""
    return line.rstrip("\r\n")


def closing(lines: Sequence[str], opening: int) -> int | None:
    """Where the fence that opens at the index `opening` is closed, if it is.

    Source: CommonMark 0.31, section 4.5.
    """
    found = FENCE.match(lines[opening])
    if found is None:
        return None
    fence = found[2]
    end = re.compile(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
    return next(
        (index for index in range(opening + 1, len(lines)) if end.match(lines[index])), None
    )


def prose(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The lines (without endings) that are in no fenced block, each with its index."""
    index = 0
    while index < len(lines):
        line = lines[index]
        if line.startswith(_MAY_OPEN) and FENCE.match(line):
            end = closing(lines, index)
            if end is None:
                return
            index = end
        else:
            yield index, line
        index += 1


def open_fence(lines: Sequence[str]) -> int | None:
    """The index of a fence that is never closed: it takes all that follows for code."""
    index = 0
    while index < len(lines):
        if FENCE.match(lines[index]):
            end = closing(lines, index)
            if end is None:
                return index
            index = end
        index += 1
    return None
