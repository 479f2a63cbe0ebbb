"""The last words of `add`, for people or as one JSON document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from roadbed.adding import writing
from roadbed.adding.plan import NEXT
from roadbed.service import found

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from roadbed.adding.plan import Plan
    from roadbed.service import Service

SCHEMA = 1  # of the JSON document


def carry_out(
    plan_for: Callable[[Service], Plan], path: Path, *, dry_run: bool, as_json: bool, quiet: bool
) -> None:
    """Plan changes to the service at `path`, make them unless it is a dry run, and tell them.

    Raises:
        RoadbedError: they can't be made; nothing was.
    """
    service = found(path)
    git_dir = service.repository.git_dir
    if dry_run:
        writing.require_whole(git_dir)
        plan = plan_for(service)
    else:
        with writing.alone(git_dir) as journal:
            plan = plan_for(service)
            writing.apply(service.folder, journal, plan.changes)
    for warning in () if as_json or quiet else plan.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    if as_json:
        document = {
            "schema": SCHEMA,
            "path": str(plan.service.folder),
            "template": {"source": plan.service.source, "version": plan.service.version},
            "files": [{"path": each.path, "change": _change(each)} for each in plan.changes],
            "diff": writing.diff(plan.changes) if dry_run else "",
            "written": not dry_run,
            "next": NEXT,
            "warnings": plan.warnings,
        }
        typer.echo(json.dumps(document, indent=2))
    elif dry_run and not quiet:
        typer.echo(writing.diff(plan.changes), nl=False)
    elif not quiet:
        typer.echo("\n".join(f"{_change(each)} {each.path}" for each in plan.changes))
        typer.echo("\nNext:\n  " + "\n  ".join(NEXT))


def _change(change: writing.Change) -> str:
    return "A" if change.before is None else "M"
