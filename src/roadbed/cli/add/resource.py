"""`roadbed add resource`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from roadbed.cli.add.options import DryRun, In
from roadbed.cli.failures import told
from roadbed.cli.options import Debug, Json, Quiet

EXAMPLES = """
\b
Types: str(n), text, int, bigint, decimal(p,s), bool, date, datetime, uuid, json, enum(a,b),
and ref for a row of the module of that name; “?” at the end for what may be null. A shell
reads parentheses: quote them, or write currency:str:3 and status:enum:draft,sent.

\b
Examples:
  roadbed add resource customer name:str:200 --unique email:str:320
  roadbed add resource invoice customer:ref amount:int 'currency:str(3)' 'due_on:date?'
"""


def resource(
    noun: Annotated[str, typer.Argument(help="A singular noun: invoice, line_item.")],
    fields: Annotated[
        list[str] | None, typer.Argument(metavar="[FIELD:TYPE]...", help="What it keeps.")
    ] = None,
    unique: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="One whose value no other has; repeatable."),
    ] = None,
    path: In = Path(),
    template: Annotated[
        str | None, typer.Option(metavar="PATH|URL", help="The template, if it has moved.")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Add a resource: its module, migration and tests, from the service's own template version."""
    with told(debug=debug, written="Stopped; nothing was added."):
        from roadbed.adding.resource import Request, plan
        from roadbed.cli.add import telling

        request = Request(noun, fields or [], unique or [], template)
        telling.carry_out(
            partial(plan, request), path, dry_run=dry_run, as_json=as_json, quiet=quiet
        )
