"""The last words of `new`, for people or as one JSON document."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from roadbed.cli import progress

if TYPE_CHECKING:
    from roadbed.creation import Creation, Preview, Rendered

SCHEMA = 1  # of the JSON document


def tell(creation: Creation, *, as_json: bool, quiet: bool) -> None:
    """Print what was made: where, how long each step took, what to mind, what to do next."""
    for step in creation.steps:
        if step.state == "failed":
            typer.echo(f"\nThe step “{step.name}” failed:\n{step.detail}", err=True)
    if as_json:
        steps = progress.described(creation.steps)
        typer.echo(_document(creation, steps=steps, next=_next(creation)))
    elif not quiet:
        _warn(creation)
        _tell_in_words(creation)
    if creation.remedy:
        typer.echo(f"\nThe service is kept. To go on:\n  {creation.remedy}", err=True)


def _tell_in_words(creation: Creation) -> None:
    verb = "is made" if creation.remedy else "is ready"
    typer.echo(f"\n{creation.path.name} {verb} in {_short(creation.path)}")
    typer.echo(f"from template {creation.version} ({creation.source})\n")
    for step in creation.steps:
        typer.echo(f"  {progress.line(step)}")
    typer.echo(f"  = total    {creation.seconds:6.1f} s")
    if not creation.remedy:
        typer.echo("\nNext:\n  " + "\n  ".join(_next(creation)))


def tell_preview(preview: Preview, *, as_json: bool, quiet: bool) -> None:
    """Print the files that would be made, one a line."""
    if as_json:
        typer.echo(_document(preview, files=preview.files))
        return
    if quiet:
        return
    _warn(preview)
    typer.echo("\n".join(str(_short(preview.path) / file) for file in preview.files))


def _document(made: Rendered, **more: Any) -> str:
    document = {
        "schema": SCHEMA,
        "path": str(made.path),
        "template": {"source": made.source, "version": made.version},
        "answers": made.answers,
        **more,
        "warnings": made.warnings,
    }
    return json.dumps(document, indent=2)


def _next(creation: Creation) -> list[str]:
    enter = f"cd {shlex.quote(str(_short(creation.path)))}"
    if creation.remedy:
        return [creation.remedy]
    if any(step.name == "install" and step.state == "done" for step in creation.steps):
        return [enter, "make run", "make test"]
    return [enter, "make setup", "make run"]


def _warn(made: Rendered) -> None:
    for warning in made.warnings:
        typer.echo(f"Warning: {warning}", err=True)


def _short(path: Path) -> Path:
    """`path` from here, if that is below here."""
    here = Path.cwd()
    return path.relative_to(here) if path != here and path.is_relative_to(here) else path
