"""The line of a service's own migrations, as their files say, without running them."""

from __future__ import annotations

import ast
import hashlib
from typing import TYPE_CHECKING, Any

from roadbed.adding.modules import parsed
from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from pathlib import Path


def head(folder: Path) -> str:
    """The revision that the next one follows; empty if there is none yet.

    Raises:
        RoadbedError: there are several, or a file can't be read.
    """
    follows: dict[str, set[str]] = {}
    for file in sorted(folder.glob("*.py")):
        said = _said(file)
        if isinstance(revision := said.get("revision"), str):
            if revision in follows:
                raise RoadbedError(
                    f"Two migrations in {folder} are the revision {revision}.",
                    "Give one of them another name, and let it follow the other.",
                )
            before = said.get("down_revision")
            follows[revision] = set([before] if isinstance(before, str) else before or ())
    heads = sorted(follows.keys() - set().union(*follows.values()))
    if len(heads) > 1 or (follows and not heads):
        raise RoadbedError(
            f"The migrations in {folder} have {len(heads)} heads: {', '.join(heads)}.",
            "Let down_revision of the newer one name the other: one follows the other.",
        )
    return heads[0] if heads else ""


def revision(follows: str, name: str) -> str:
    """The name of a new revision: 12 digits, as Alembic's own, but the same each time."""
    return hashlib.sha256(f"{follows} {name}".encode()).hexdigest()[:12]


def _said(file: Path) -> dict[str, Any]:
    """The constants that a file assigns."""
    found = {}
    for line in parsed(file).body:
        match line:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                try:
                    found[name] = ast.literal_eval(value)
                except ValueError:
                    continue
            case _:
                continue
    return found
