"""Options that the verbs of `add` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

In = Annotated[Path, typer.Option("--in", metavar="PATH", help="The service.", show_default="here")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the diff; write nothing.")]
