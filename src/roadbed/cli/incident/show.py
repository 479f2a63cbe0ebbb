"""`roadbed incident show`."""

from __future__ import annotations

from typing import Annotated

import typer

from roadbed.cli.failures import told
from roadbed.cli.incident import telling
from roadbed.cli.incident.options import In
from roadbed.cli.incident.telling import plain, styled
from roadbed.cli.options import Debug, Json

EXAMPLES = """\
\b
Examples:
  roadbed incident show 2025-06-15-search-timeouts
  roadbed incident show 2025-06-15 --in services
"""


def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="An incident's id, or how it begins.")],
    paths: In = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Print an incident as it is written. Exit code 1: there is none."""
    with told(debug=debug):
        from roadbed.incidents.choosing import chosen

        known = chosen(telling.read(paths))
        found = [it for it in known if it.incident.id == name]
        found = found or [it for it in known if name and it.incident.id.startswith(name)]
        if as_json:
            telling.document(incidents=[telling.record(it.place, it.incident) for it in found])
        for it in [] if as_json else found:
            typer.echo(styled(f"{it.place.path}:{it.incident.line}", fg="cyan"))
            typer.echo("\n".join(map(plain, it.incident.lines)) + "\n")
        if not found:
            typer.echo(f"No incident's id is or begins with “{plain(name)}”.", err=True)
    if not found:
        raise typer.Exit(1)
