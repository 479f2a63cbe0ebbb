"""`roadbed incident resolve`."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from roadbed.cli.failures import told
from roadbed.cli.incident import telling
from roadbed.cli.incident.options import OneRunbook
from roadbed.cli.options import Debug, Json, Quiet

EXAMPLES = """\
\b
Examples:
  roadbed incident resolve
  roadbed incident resolve services/orders
"""


def resolve(
    path: OneRunbook = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would keep, and change nothing.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Keep both incidents where git left a conflict between them. Exit code 1: it is another conflict."""
    with told(debug=debug):
        from roadbed.incidents.conflicts import NotTwoAdditions
        from roadbed.incidents.places import runbook_of
        from roadbed.incidents.resolving import resolve as keep_both

        runbook = runbook_of(path)
        brought: list[str] = []
        why = None
        try:
            brought = keep_both(runbook, dry_run=dry_run)
        except NotTwoAdditions as other:
            why = str(other)
        if as_json:
            telling.document(path=str(runbook.absolute()), added=brought, conflict=why)
        elif why is None and not quiet:
            for name in brought:
                typer.echo(f"{runbook}: {'would keep' if dry_run else 'kept'} {name} as well")
            if not brought:
                typer.echo(f"{runbook} holds no conflict.")
            elif not dry_run:
                typer.echo(f"To go on: git add {shlex.quote(str(runbook))}", err=True)
        if why is not None:
            typer.echo(f"{runbook} is left as it is: {why}.\nResolve it by hand.", err=True)
    if why is not None:
        raise typer.Exit(1)
