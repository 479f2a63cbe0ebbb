"""Options that several verbs have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Runbooks = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[PATH]...",
        help="Runbooks, or folders to look below.",
        show_default="the service you are in, else all below here",
    ),
]
In = Annotated[
    list[Path] | None,
    typer.Option(
        "--in",
        metavar="PATH",
        help="A runbook, or a folder to look below; repeatable.",
        show_default="the service you are in, else all below here",
    ),
]
OneRunbook = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PATH]",
        help="The service's folder, or its runbook.",
        show_default="the nearest RUNBOOK.md upwards",
    ),
]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="WORD", help="With this tag; repeatable.")
]
Services = Annotated[
    list[str] | None,
    typer.Option("--service", metavar="NAME", help="Of this service; repeatable."),
]
Severities = Annotated[
    list[int] | None,
    typer.Option("--severity", min=0, max=5, help="With this severity; repeatable."),
]
Since = Annotated[
    str | None, typer.Option(metavar="DATE|DAYS", help="Not older: 2025-06-15, or 90d.")
]
