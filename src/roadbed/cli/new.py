"""`roadbed new`."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roadbed.cli import progress
from roadbed.cli.failures import told
from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from roadbed.creation import Creation, Preview

SCHEMA = 1  # of the JSON document

EXAMPLES = """
\b
Examples:
  roadbed new orders
  roadbed new invoice-api services/invoices --defaults -d team=@acme/billing
"""


def new(
    name: Annotated[str, typer.Argument(help="The service's name, such as orders.")],
    dest: Annotated[
        Path | None, typer.Argument(help="The folder to make it in.", show_default="NAME")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("-d", "--data", metavar="KEY=VALUE", help="Answer a question; repeatable."),
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A YAML file of answers; -d wins.")
    ] = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Ask nothing: take the defaults.")
    ] = False,
    template: Annotated[
        str | None, typer.Option(metavar="PATH|URL", help="Another template than Roadbed's own.")
    ] = None,
    ref: Annotated[
        str | None,
        typer.Option(help="A tag, branch or commit of the template.", show_default="newest tag"),
    ] = None,
    no_install: Annotated[
        bool, typer.Option("--no-install", help="Only files and commit: lock and run nothing.")
    ] = False,
    no_git: Annotated[bool, typer.Option("--no-git", help="Make no commit.")] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Leave out the service's own tests.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the files it would make, and make none.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Make a service: files, lock, first commit, installation, migrations, tests."""
    with told(debug=debug):
        from roadbed.creation import Request, create, preview

        request = Request(
            name=name,
            folder=_folder(name, dest),
            answers=_answers(data or [], answers),
            template=template,
            ref=ref,
            interactive=_may_ask() and not (defaults or as_json),
            left_out=_left_out(no_install=no_install, no_git=no_git, no_verify=no_verify),
        )
        if dry_run:
            _tell_preview(preview(request), as_json=as_json, quiet=quiet)
            return
        with progress.shown(quiet=quiet) as report:
            creation = create(request, report)
        _tell(creation, as_json=as_json, quiet=quiet)
    if creation.stopped:
        raise typer.Exit(130)
    if creation.failed:
        raise typer.Exit(1)


def _folder(name: str, dest: Path | None) -> Path:
    if not name:
        raise RoadbedError("The service has no name.", "Give one: roadbed new orders")
    return Path(os.path.realpath((dest or Path(name)).expanduser()))


def _answers(data: list[str], file: Path | None) -> dict[str, Any]:
    from roadbed.creation import NAME
    from roadbed.rendering import read_answers

    answers: dict[str, Any] = {}
    if file is not None:
        # The answers of another service will do: all but its name and where it came from.
        answers = {
            key: answer
            for key, answer in read_answers(file).items()
            if key != NAME and not key.startswith("_")
        }
    for pair in data:
        key, equals, answer = pair.partition("=")
        if not (key and equals):
            raise RoadbedError(
                f"“-d {pair}” is no answer.", "Write it as -d question=answer, such as -d team=web."
            )
        answers[key] = answer
    return answers


def _may_ask() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _left_out(*, no_install: bool, no_git: bool, no_verify: bool) -> dict[str, str]:
    left_out = {"test": "--no-verify"} if no_verify else {}
    if no_git:
        left_out["commit"] = "--no-git"
    if no_install:
        left_out |= dict.fromkeys(("lock", "install", "migrate", "test"), "--no-install")
    return left_out


def _tell(creation: Creation, *, as_json: bool, quiet: bool) -> None:
    """Print what was made: where, how long each step took, what to mind, what to do next."""
    for step in creation.steps:
        if step.state == "failed":
            typer.echo(f"\nThe step “{step.name}” failed:\n{step.detail}", err=True)
    if creation.remedy:
        typer.echo(f"\nThe service is kept. To go on:\n  {creation.remedy}", err=True)
    if as_json:
        steps = [
            {"name": s.name, "state": s.state, "seconds": round(s.seconds, 3), "detail": s.detail}
            for s in creation.steps
        ]
        typer.echo(_document(creation, steps=steps, next=_next(creation)))
        return
    if quiet:
        return
    _warn(creation)
    verb = "is made" if creation.remedy else "is ready"
    typer.echo(f"\n{creation.path.name} {verb} in {_short(creation.path)}")
    typer.echo(f"from template {creation.version} ({creation.source})\n")
    for step in creation.steps:
        typer.echo(f"  {progress.line(step)}")
    total = sum(step.seconds for step in creation.steps)
    typer.echo(f"  = total    {total:6.1f} s")
    if not creation.remedy:
        typer.echo("\nNext:\n  " + "\n  ".join(_next(creation)))


def _tell_preview(preview: Preview, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        typer.echo(_document(preview, files=preview.files))
        return
    if quiet:
        return
    _warn(preview)
    typer.echo("\n".join(str(_short(preview.path) / file) for file in preview.files))


def _document(made: Creation | Preview, **more: Any) -> str:
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
    installed = creation.state("install") == {"done"}
    return [enter, "make run", "make test"] if installed else [enter, "make setup", "make run"]


def _warn(made: Creation | Preview) -> None:
    for warning in made.warnings:
        typer.echo(f"Warning: {warning}", err=True)


def _short(path: Path) -> Path:
    """`path` from here, if that is below here."""
    here = Path.cwd()
    return path.relative_to(here) if path != here and path.is_relative_to(here) else path
