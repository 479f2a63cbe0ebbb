"""`roadbed new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from roadbed.cli import closing, progress
from roadbed.cli.arguments import answered, may_ask
from roadbed.cli.failures import told
from roadbed.cli.options import Debug, Json, Quiet
from roadbed.errors import RoadbedError
from roadbed.paths import real

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
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make a service: files, lock, installation, documents, database, first commit, tests."""
    with told(debug=debug):
        from roadbed.creation import Request, create, preview
        from roadbed.steps import State

        request = Request(
            name=name,
            folder=_folder(name, dest),
            answers=_answers(data or [], answers),
            template=template,
            ref=ref,
            interactive=may_ask() and not (defaults or as_json),
            left_out=_left_out(no_install=no_install, no_git=no_git, no_verify=no_verify),
        )
        if dry_run:
            closing.tell_preview(preview(request), as_json=as_json, quiet=quiet)
            return
        with progress.shown(quiet=quiet) as report:
            creation = create(request, report)
        closing.tell(creation, as_json=as_json, quiet=quiet)
    if creation.names(State.STOPPED):
        raise typer.Exit(130)
    if creation.remedy:
        raise typer.Exit(1)


def _folder(name: str, dest: Path | None) -> Path:
    if not name:
        raise RoadbedError("The service has no name.", "Give one: roadbed new orders")
    return real(dest or Path(name))


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
    return answers | answered(data)


def _left_out(*, no_install: bool, no_git: bool, no_verify: bool) -> dict[str, str]:
    left_out = {"test": "--no-verify"} if no_verify else {}
    if no_git:
        left_out["commit"] = "--no-git"
    if no_install:
        left_out |= dict.fromkeys(("lock", "install", "prepare", "test"), "--no-install")
    return left_out
