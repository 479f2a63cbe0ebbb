"""Options that the verbs of `add` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

In = Annotated[Path, typer.Option("--in", metavar="PATH", help="The service.", show_default="here")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the diff; write nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
