"""`resolve`: a runbook in which git left a conflict between added incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadbed import git
from roadbed.incidents import conflicts, storage

if TYPE_CHECKING:
    from pathlib import Path


def resolve(path: Path, *, dry_run: bool = False) -> list[str]:
    """Keep the incidents of both branches.

    Returns:
        The ids of those that the other branch brought; none if there is no conflict.

    Raises:
        NotTwoAdditions: it is a conflict of another kind; the file is as it was.
        RoadbedError: the file can't be read or written, or a branch broke its markers.
    """
    brought: list[str] = []

    def change(text: str) -> str:
        if not conflicts.has_markers(text):
            return text
        after, ids = conflicts.resolved(text, _base_of(path), str(path))
        brought.extend(ids)
        return after

    if dry_run:
        change(storage.read(path).removeprefix(storage.MARK))
    else:
        storage.edit(path, change)
    return brought


def _base_of(path: Path) -> str | None:
    """What both branches began with, if git still knows: stage 1 of a file that is not merged yet."""
    try:
        return git.run("show", f":1:./{path.name}", at=path.parent).removeprefix(storage.MARK)
    except git.GitError:
        return None
