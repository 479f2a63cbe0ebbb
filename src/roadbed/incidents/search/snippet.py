"""The line of an entry that answers a question best, and which of its words do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from roadbed.incidents.search.words import stems as stems_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from roadbed.incidents.runbook import Incident

# A text, so that `re` compiles it where there is a hit.
_WORD = r"\w+(?:[.:/-]+\w+)*"
_BULLETS = " #-+>*"


class Line(NamedTuple):
    """A line of an entry, without Markdown's emphasis.

    Attributes:
        number: in the file, counted from 1.
        hits: where the words stand that answer, as offsets.
    """

    text: str
    number: int
    hits: list[tuple[int, int]]


def best_line(
    incident: Incident, stems: Collection[str], weight: Callable[[str], float]
) -> Line | None:
    """The line with the most telling words; the first one where none has any.

    Args:
        incident: whose lines are meant.
        stems: of the words that answer.
        weight: how much a stem tells.
    """
    lines = [
        Line(text, number, hits(text, stems))
        for number, line in enumerate(incident.lines[1:], incident.line + 1)
        if (text := line.replace("**", "").strip().lstrip(_BULLETS))
        and not text.startswith(("<!--", "```", "~~~"))
    ]

    def told(line: Line) -> float:
        found = {s for start, end in line.hits for s in stems_of(line.text[start:end].lower())}
        return sum(weight(each) for each in found if each in stems)

    return max(lines, key=told, default=None)


def hits(text: str, stems: Collection[str]) -> list[tuple[int, int]]:
    """Where words with these stems stand in `text`: phrases, which are joined by `_`, too."""
    found = [
        match.span()
        for match in re.finditer(_WORD, text)
        if any(s in stems for s in stems_of(match[0].lower()))
    ]
    for phrase in (each.split("_") for each in stems if "_" in each):
        shape = r"\s+".join(map(re.escape, phrase))
        found.extend(match.span() for match in re.finditer(rf"\b{shape}\b", text, re.IGNORECASE))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def as_written(incident: Incident, stemmed: str) -> str:
    """How a stem's word is written in the entry, its title first."""
    text = f"{incident.head.title}\n" + "\n".join(incident.lines[1:])
    found = hits(text, {stemmed})
    return text[slice(*found[0])].lower() if found else stemmed.replace("_", " ")
