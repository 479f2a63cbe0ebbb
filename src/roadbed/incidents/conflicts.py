"""What git leaves where two branches each added an incident, and the text that keeps both.

Merge drivers would prevent it and hosted merges ignore them; `merge=union` interleaves entries that
have a line in common. So both sides are put together again as whole texts and compared entry by
entry, wherever git cut them. Whatever is not two additions is left to a person.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadbed.incidents.markdown import bare, prose, split
from roadbed.incidents.notation import render
from roadbed.incidents.runbook import Runbook

if TYPE_CHECKING:
    from collections.abc import Sequence

_LINES = {
    "ours": re.compile(r"<{7}(?: |$)"),
    "base": re.compile(r"\|{7}(?: |$)"),
    "theirs": re.compile(r"={7}$"),
    "both": re.compile(r">{7}(?: |$)"),
}
_NEXT = {"both": {"ours"}, "ours": {"base", "theirs"}, "base": {"theirs"}, "theirs": {"both"}}


class NotTwoAdditions(Exception):
    """A conflict of another kind; `str()` of it says which."""


@dataclass(frozen=True)
class Sides:
    """Both sides of a text with conflicts, each whole, and the lines (from 1) of the conflicts."""

    ours: str
    theirs: str
    lines: list[int]


def has_markers(text: str) -> bool:
    """Whether git left a conflict in it; one that a code block shows does not count."""
    lines = [bare(line) for line in split(text)]
    found = {
        side for _, line in prose(lines) for side, marker in _LINES.items() if marker.match(line)
    }
    return {"ours", "both"} <= found


def sides_of(text: str) -> Sides:
    """Take a text with conflicts apart, in any of git's styles (merge, diff3, zdiff3)."""
    state = "both"
    ours: list[str] = []
    theirs: list[str] = []
    conflicts: list[int] = []
    for number, line in enumerate(split(text), 1):
        following = next((s for s in _NEXT[state] if _LINES[s].match(bare(line))), None)
        if following:
            state = following
            conflicts.extend([number] if state == "ours" else [])
            continue
        if state in {"both", "ours"}:
            ours.append(line)
        if state in {"both", "theirs"}:
            theirs.append(line)
    if state != "both":
        raise NotTwoAdditions(f"the conflict on line {conflicts[-1]} does not end")
    return Sides("".join(ours), "".join(theirs), conflicts)


def resolved(text: str, base: str | None, name: str) -> tuple[str, list[str]]:
    """The text with the entries of both sides, and the ids of those that theirs brought.

    Args:
        text: with conflicts.
        base: the text that both branches began with, where it is known.
        name: of the file, for errors.

    Raises:
        NotTwoAdditions: something else is in conflict.
        RoadbedError: a side's markers are no pair.
    """
    sides = sides_of(text)
    ours, theirs = Runbook(sides.ours, name), Runbook(sides.theirs, name)
    if _frame(ours) != _frame(theirs):
        raise NotTwoAdditions(
            f"more than incidents is in conflict (conflicts on line {_listed(sides.lines)})"
        )
    before = None if base is None else {it.id for it in Runbook(base, name).incidents}
    _require_additions(ours, theirs, before)
    known = {it.id: it for it in ours.incidents}
    brought = []
    for incident in theirs.incidents:
        same = known.get(incident.id)
        if same and same.entry == incident.entry:
            continue
        lines: Sequence[str] = incident.lines
        name_of_it = incident.id
        if same:  # both branches gave one name to two incidents
            name_of_it = ours.free_id(incident.entry)
            lines = split(render(incident.entry._replace(id=name_of_it)))
        ours = Runbook(ours.with_lines(lines, incident.head.date).text, name)
        brought.append(name_of_it)
    return ours.text, brought


def _require_additions(ours: Runbook, theirs: Runbook, before: set[str] | None) -> None:
    """Make sure that no side changed or removed an entry that was there before both."""
    here, there = ({it.id: it for it in side.incidents} for side in (ours, theirs))
    for name in here.keys() & there.keys():
        if here[name].entry != there[name].entry and (before is None or name in before):
            raise NotTwoAdditions(f"the incident {name} differs between the branches")
    if before is None:
        if not (here.keys() - there.keys() and there.keys() - here.keys()):
            raise NotTwoAdditions("one branch adds no incident: it may have removed one")
        return
    gone = sorted(before & (here.keys() ^ there.keys()))
    if gone:
        raise NotTwoAdditions(f"one branch removed or renamed the incident {gone[0]}")


def _frame(runbook: Runbook) -> list[str]:
    """The lines that belong to no entry between the markers."""
    start, end = runbook.markers or (len(runbook.bare), 0)
    taken = {
        line - 1
        for incident in runbook.incidents
        if start < incident.line - 1 < end
        for line in range(incident.line, incident.end + 1)
    }
    return [line for at, line in enumerate(runbook.bare) if at not in taken and line.strip(" \t")]


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
