"""What keeps a runbook from being found, believed or shared: errors, and notes to think about."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from roadbed.errors import RoadbedError
from roadbed.incidents import conflicts, faults
from roadbed.incidents.faults import Finding, Level, line_of
from roadbed.incidents.markdown import HEADING, open_fence, prose
from roadbed.incidents.notation import INCIDENT, LEVEL
from roadbed.incidents.prevention import Checks, mentions_a_check, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from roadbed.incidents.entry import Entry
    from roadbed.incidents.runbook import Runbook

# A cause that stops at a person teaches nobody anything.
_BLAME = re.compile(
    r"\b(human error|operator error|user error|careless\w*|negligen\w*|incompeten\w*|stupid\w*|lazy"
    r"|sloppy|to blame|whose fault|his fault|her fault|their fault|should have known"
    r"|forgot|didn['\u2019]t bother)\b",
    re.IGNORECASE,
)


def lint(runbook: Runbook, folder: Path) -> list[Finding]:
    """All findings, in the order of the file.

    Args:
        runbook: what was read.
        folder: the service's, where a Prevention's tests and alerts are looked for.
    """
    checks = Checks(folder)
    found = [*_whole(runbook), *_order(runbook), *_ids(runbook)]
    for incident in runbook.incidents:
        entry = incident.entry
        found.extend(faults.of(entry, incident.lines, incident.line))
        found.extend(advice(entry, incident.lines, incident.line, checks))
    return sorted(found, key=lambda finding: (finding.line, finding.level, finding.rule))


def _whole(runbook: Runbook) -> Iterator[Finding]:
    """What keeps entries from being read or added."""
    if conflicts.has_markers(runbook.text):
        line = next(i for i, text in enumerate(runbook.bare, 1) if text.startswith("<" * 7))
        yield Finding(line, "conflicts", "git left a conflict: see roadbed incident resolve --help")
    fence = open_fence(runbook.bare)
    if fence is not None:
        yield Finding(fence + 1, "code", "this code block never ends: nothing below it is read")
    try:
        start, end = runbook.markers or (0, 0)
    except RoadbedError as error:
        yield Finding(1, "markers", error.what.removeprefix(f"{runbook.name} ").rstrip("."))
        return
    for index, text in prose(runbook.bare):
        heading = HEADING.match(text)
        if heading and not INCIDENT.match(text):
            # A deeper one belongs to its entry: a timeline, say.
            inside = start < index < end and len(heading[1]) <= LEVEL
            if inside or re.search(r"\bIncident\W+[0-9]", text):
                form = "write “### Incident YYYY-MM-DD: title”"
                yield Finding(index + 1, "heading", f"this is not read as an incident: {form}")


def _order(runbook: Runbook) -> Iterator[Finding]:
    for newer, older in pairwise(runbook.incidents):
        if newer.head.date < older.head.date:
            message = f"it is newer than the one above it ({newer.head.date}): newest first"
            yield Finding(older.line, "order", message)


def _ids(runbook: Runbook) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for incident in runbook.incidents:
        if incident.id in seen:
            message = f"the id {incident.id} is taken by the one on line {seen[incident.id]}"
            yield Finding(incident.line, "ids", message)
        seen.setdefault(incident.id, incident.line)


def advice(entry: Entry, lines: Sequence[str], line: int, checks: Checks) -> Iterator[Finding]:
    """What may be true and not done yet, or better said otherwise.

    Args:
        entry: what is said.
        lines: how it is written.
        line: of its heading, counted from 1.
        checks: of the service.
    """
    text, at = entry.prevention, line + line_of(lines, "prevention")
    for promise in named(text):
        if not checks.has(promise):
            message = f"Prevention names the {promise.kind} {promise.name}: there is none"
            yield Finding(at, "prevention", message)
    if text and not mentions_a_check(text):
        message = "Prevention names no link, test, alert or rule that would catch it"
        yield Finding(at, "prevention", message, Level.NOTE)
    for offset, written in enumerate(lines):
        word = _BLAME.search(written)
        if word:
            message = f"“{word[0]}” blames a person: what let it happen?"
            yield Finding(line + offset, "blame", message, Level.NOTE)
