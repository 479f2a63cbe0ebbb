"""The command line: arguments in, words and exit codes out.

Nothing heavy is imported here: `--help`, `--version` and completion are instant.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated, ClassVar

import typer

from roadbed.cli.add import add
from roadbed.cli.incident import incident
from roadbed.cli.verbs import Verbs


class RoadbedVerbs(Verbs):
    """What Roadbed can do."""

    later: ClassVar = {
        "new": "roadbed.cli.new:new",
        "update": "roadbed.cli.update:update",
        "status": "roadbed.cli.status:status",
        "check": "roadbed.cli.check:check",
    }


app = typer.Typer(
    cls=RoadbedVerbs,
    help="Production Python web services from one template, and up to date with it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(add)
app.add_typer(incident)


def _version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import version

    from roadbed.errors import RoadbedError
    from roadbed.git import GitError
    from roadbed.template import current_version

    try:
        template = current_version()
    except (RoadbedError, GitError) as error:
        template = f"unknown ({error})"
    typer.echo(f"roadbed {version('roadbed')}, template {template}")
    raise typer.Exit


@app.callback()
def roadbed(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="This Roadbed and its template."
        ),
    ] = False,
) -> None:
    """The options before a verb."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a “✓” may be more than the terminal can show
