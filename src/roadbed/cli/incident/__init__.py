"""`roadbed incident`: a runbook that remembers."""

from __future__ import annotations

from typing import ClassVar

import typer

from roadbed.cli.verbs import Verbs


class IncidentVerbs(Verbs):
    """What can be done with incidents."""

    later: ClassVar = {
        "add": "roadbed.cli.incident.add:add",
        "search": "roadbed.cli.incident.search:search",
        "list": "roadbed.cli.incident.listing:list_",
        "show": "roadbed.cli.incident.show:show",
        "lint": "roadbed.cli.incident.lint:lint",
        "resolve": "roadbed.cli.incident.resolve:resolve",
    }


incident = typer.Typer(
    name="incident",
    cls=IncidentVerbs,
    help="Keep the incidents of services in their RUNBOOK.md, and find them again.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
