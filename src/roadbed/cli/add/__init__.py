"""`roadbed add`: what a service gets on its second day."""

from __future__ import annotations

from typing import ClassVar

import typer

from roadbed.cli.verbs import Verbs


class AddVerbs(Verbs):
    """What can be added."""

    later: ClassVar = {
        "resource": "roadbed.cli.add.resource:resource",
        "version": "roadbed.cli.add.version:version",
    }


add = typer.Typer(
    name="add",
    cls=AddVerbs,
    help="Add a resource or a version of the API to a service, next to what is there.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
