"""`roadbed update`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from roadbed.cli import progress
from roadbed.cli.arguments import answered, may_ask
from roadbed.cli.failures import told
from roadbed.cli.options import Debug, Json, Quiet
from roadbed.errors import RoadbedError

EXAMPLES = """
\b
Examples:
  roadbed update --dry-run
  roadbed update services/orders -d team=@acme/billing
"""


def update(
    path: Annotated[
        Path, typer.Argument(help="The service, or a folder in it.", show_default="here")
    ] = Path(),
    to: Annotated[
        str | None,
        typer.Option(help="A tag, branch or commit of the template.", show_default="newest tag"),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("-d", "--data", metavar="KEY=VALUE", help="Change an answer; repeatable."),
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask new questions: else they take their default.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the change log and the diff; touch nothing.")
    ] = False,
    branch: Annotated[
        str | None, typer.Option(metavar="NAME", help="Commit to a new branch, not this one.")
    ] = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not lock, and do not run its tests.")
    ] = False,
    go_on: Annotated[
        bool, typer.Option("--continue", help="Go on, with the conflicts resolved.")
    ] = False,
    abort: Annotated[bool, typer.Option("--abort", help="Go back to before the update.")] = False,
    template: Annotated[
        str | None,
        typer.Option(metavar="PATH|URL", help="The template, from now on, if it has moved."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Bring in what the template changed: one commit, or conflicts to resolve (exit code 1)."""
    with told(debug=debug):
        from roadbed.cli import updated
        from roadbed.update import engine, resuming
        from roadbed.update.report import Outcome

        alone = bool(to or data or ask or dry_run or branch or template)
        if go_on + abort + alone > 1:
            raise RoadbedError(
                "--continue and --abort finish an update as it was begun.",
                "Leave the other options out.",
            )
        if ask and (as_json or not may_ask()):
            raise RoadbedError(
                "--ask needs a terminal, and no --json.", "Answer with -d question=answer instead."
            )
        request = engine.Request(
            path=path,
            to=to,
            answers=answered(data or []),
            template=template,
            branch=branch,
            ask=ask,
            dry_run=dry_run,
            verify=not no_verify,
        )
        with progress.shown(quiet=quiet) as report:
            if abort:
                done = resuming.go_back(path)
            elif go_on:
                done = resuming.go_on(path, verify=not no_verify, report=report)
            else:
                done = engine.update(request, report)
        again = [word for pair in data or [] for word in ("-d", pair)]
        again += ["--to", to] if to else []
        again += ["--template", template] if template else []
        done.next = [updated.typed(each, path, again) for each in done.next]
        updated.tell(done, as_json=as_json, quiet=quiet, dry_run=dry_run)
    if done.outcome in {Outcome.CONFLICTS, Outcome.RED}:
        raise typer.Exit(1)
