"""How incidents are told: `path:line` that an editor opens, colours on a terminal alone, or JSON."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from roadbed.incidents.choosing import Filter
    from roadbed.incidents.entry import Entry
    from roadbed.incidents.places import Place
    from roadbed.incidents.runbook import Incident

SCHEMA = 1  # of the JSON documents

# What a runbook may hold that a terminal would obey.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """A text that a terminal shows and does not obey."""
    return _CONTROL.sub("�", text)


def styled(text: str, **style: Any) -> str:
    """A text in colours where colours are wanted: on a terminal that has them."""
    wanted = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return typer.style(text, **style) if wanted and not os.environ.get("NO_COLOR") else text


def marked(text: str, hits: Sequence[tuple[int, int]], width: int) -> str:
    """A line with its hits set off, cut to `width` characters around the first of them."""
    first = hits[0][0] if hits else 0
    start = max(0, min(first - width // 3, len(text) - width)) if len(text) > width else 0
    end = start + width
    pieces, at = [], start
    for begin, stop in hits:
        if begin >= at and stop <= end:
            pieces += [plain(text[at:begin]), styled(plain(text[begin:stop]), bold=True, fg="red")]
            at = stop
    cut = ("…" if start else "", "…" if end < len(text) else "")
    return cut[0] + "".join(pieces) + plain(text[at:end]) + cut[1]


def headline(place: Place, incident: Incident) -> str:
    """Where an incident is, when it was, whose it is and what it is called."""
    where = styled(f"{place.path}:{incident.line}", fg="cyan")
    title = styled(plain(incident.entry.title), bold=True)
    return f"{where}  {incident.entry.date}  {place.service}: {title}"


def record(place: Place, incident: Incident) -> dict[str, Any]:
    """An incident for machines."""
    return {
        "id": incident.id,
        "service": place.service,
        "path": str(place.path.absolute()),
        "line": incident.line,
        **written(incident.entry),
    }


def written(entry: Entry) -> dict[str, Any]:
    """An entry for machines, its id apart."""
    texts = entry._asdict()
    del texts["id"]
    severity = int(entry.severity) if entry.severity.isdecimal() else None
    return texts | {"severity": severity}


def document(**content: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps({"schema": SCHEMA, **content}, indent=2))


def warn(sentences: Iterable[str]) -> None:
    """Say what the user should know, on standard error."""
    for sentence in sentences:
        typer.echo(f"Warning: {plain(sentence)}", err=True)


def wanted(
    tag: list[str] | None,
    service: list[str] | None,
    severity: list[int] | None,
    since: str | None,
) -> Filter:
    """What the options that choose incidents mean."""
    from roadbed.incidents.choosing import Filter

    return Filter(tag or (), service or (), [str(it) for it in severity or ()], _first_day(since))


def _first_day(since: str | None) -> str:
    """The first day that `--since` means, as `YYYY-MM-DD`, or nothing."""
    if since is None:
        return ""
    from datetime import timedelta

    from roadbed.errors import RoadbedError
    from roadbed.incidents.moments import day, today

    days = re.fullmatch(r"([0-9]{1,5})d", since)
    if days:
        return str(today() - timedelta(days=int(days[1])))
    if day(since) is None:
        raise RoadbedError(
            f"“--since {since}” is no day.", "Write it as 2025-06-15, or as a number of days: 90d."
        )
    return since


def read(paths: Iterable[Path] | None) -> list[Place]:
    """The runbooks that are meant; those that can't be read are warned of."""
    from roadbed.incidents.places import read_all

    unread: list[str] = []
    places = read_all(paths or [], unread)
    warn(unread)
    return places
