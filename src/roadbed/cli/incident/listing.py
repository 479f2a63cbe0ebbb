"""`roadbed incident list`."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from roadbed.cli.failures import told
from roadbed.cli.incident import telling
from roadbed.cli.incident.options import Runbooks, Services, Severities, Since, Tags
from roadbed.cli.options import Debug, Json, Quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadbed.incidents.choosing import Found

EXAMPLES = """\
\b
Examples:
  roadbed incident list --since 90d
  roadbed incident list services --format markdown > INCIDENTS.md
"""


class Format(StrEnum):
    """How they are printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def list_(
    paths: Runbooks = None,
    tag: Tags = None,
    service: Services = None,
    severity: Severities = None,
    since: Since = None,
    form: Annotated[Format, typer.Option("--format", help="How to print them.")] = Format.TEXT,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List incidents, the newest first. Exit code 1: none."""
    with told(debug=debug):
        from roadbed.incidents.choosing import chosen

        found = chosen(telling.read(paths), telling.wanted(tag, service, severity, since))
        if as_json or form is Format.JSON:
            telling.document(incidents=[telling.record(it.place, it.incident) for it in found])
        elif not quiet:
            typer.echo(_table(found) if form is Format.MARKDOWN else _lines(found), nl=False)
            if not found:
                typer.echo("There is no such incident.", err=True)
    if not found:
        raise typer.Exit(1)


def _lines(found: Sequence[Found]) -> str:
    return "".join(f"{telling.headline(it.place, it.incident)}\n" for it in found)


def _table(found: Sequence[Found]) -> str:
    """A table whose titles lead to the entries: a page for a whole fleet."""
    rows = ["| date | service | severity | incident |", "|---|---|---|---|"]
    for it in found:
        entry = it.incident.entry
        title = re.sub(r"([\\|\[\]<>`*_])", r"\\\1", entry.title)
        target = f"<{it.place.path.as_posix()}#{_anchor(f'Incident {entry.date}: {entry.title}')}>"
        rows.append(
            f"| {entry.date} | {it.place.service} | {entry.severity} | [{title}]({target}) |"
        )
    return "\n".join(rows) + "\n"


def _anchor(heading: str) -> str:
    """The name that hosted Markdown gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
