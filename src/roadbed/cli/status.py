"""`roadbed status`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadbed.cli.failures import told
from roadbed.cli.options import Debug, Json, Quiet

if TYPE_CHECKING:
    from roadbed.update.status import Status

SCHEMA = 1  # of the JSON document
EXAMPLES = """
\b
Examples:
  roadbed status
  roadbed status services/* --json
"""


def status(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Services, or folders in them.", show_default="here"),
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="Print what drifted from the template, as a patch.")
    ] = False,
    template: Annotated[
        str | None, typer.Option(metavar="PATH|URL", help="Look for newer versions there.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say how far services are behind: exit code 0 current, 1 update available, 2 error."""
    with told(debug=debug):
        from roadbed.update.status import statuses

        found = []
        for each in statuses(paths or [Path()], template=template, diff=diff):
            found.append(each)
            if each.error is not None:
                typer.echo(f"Error: {each.error.what}\n{each.error.advice}", err=True)
            elif not (as_json or quiet):
                _tell(each)
    if as_json:
        typer.echo(
            json.dumps({"schema": SCHEMA, "services": list(map(_described, found))}, indent=2)
        )
    if any(each.error for each in found):
        raise typer.Exit(2)
    if any(each.behind for each in found):
        raise typer.Exit(1)


def _tell(each: Status) -> None:
    for warning in each.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    if each.diff:
        typer.echo(each.diff, nl=False)
        return
    where = f"{len(each.behind)} behind {each.newest}" if each.behind else "up to date"
    many = "1 file differs" if len(each.drift) == 1 else f"{len(each.drift)} files differ"
    drift = f", {many} from it" if each.drift else ""
    typer.echo(f"{each.folder.name}: template {each.version}, {where}{drift}")
    for file in each.drift:
        typer.echo(f"  {file.change} {file.path}")


def _described(each: Status) -> dict[str, Any]:
    return {
        "path": str(each.folder),
        "template": {"source": each.source, "version": each.version, "newest": each.newest},
        "behind": each.behind,
        "drift": [{"path": file.path, "change": file.change} for file in each.drift],
        "diff": each.diff,
        "warnings": each.warnings,
        "error": each.error and {"what": each.error.what, "advice": each.error.advice},
    }
