"""`roadbed add version`."""

from __future__ import annotations

from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from roadbed.cli.add.options import DryRun, In
from roadbed.cli.failures import told
from roadbed.cli.options import Debug, Json, Quiet
from roadbed.errors import RoadbedError

EXAMPLES = """
\b
Examples:
  roadbed add version v2 --resource payments
  roadbed add version v2 --deprecate 2027-01-31 --sunset 2027-07-31 --dry-run
"""


def version(
    name: Annotated[str, typer.Argument(metavar="VERSION", help="The next one, such as v2.")],
    resources: Annotated[
        list[str] | None,
        typer.Option(
            "--resource",
            metavar="NAME",
            help="One that gets routes of its own; repeatable.",
            show_default="all",
        ),
    ] = None,
    deprecate: Annotated[
        str | None, typer.Option(metavar="DATE", help="The version before is deprecated from then.")
    ] = None,
    sunset: Annotated[
        str | None, typer.Option(metavar="DATE", help="And may be gone from then.")
    ] = None,
    path: In = Path(),
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Add a version of the API, beside those that are served: they stay as they are."""
    with told(debug=debug, written="Stopped; nothing was added."):
        from roadbed.adding.version import Request, plan
        from roadbed.cli.add import telling

        request = Request(name, resources or [], _day(deprecate), _day(sunset))
        telling.carry_out(
            partial(plan, request), path, dry_run=dry_run, as_json=as_json, quiet=quiet
        )


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise RoadbedError(f"“{text}” is no day.", "Write it as 2027-01-31.") from error
