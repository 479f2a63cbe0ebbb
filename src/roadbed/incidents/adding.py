"""`add`: one entry into one runbook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadbed.errors import RoadbedError
from roadbed.incidents import conflicts, storage
from roadbed.incidents.runbook import Runbook

_MARKDOWN = {".md", ".markdown"}

if TYPE_CHECKING:
    from pathlib import Path

    from roadbed.incidents.entry import Entry


@dataclass(frozen=True)
class Added:
    """What adding an entry did, or would do.

    Attributes:
        id, line: of the entry in the runbook; the line of its heading, counted from 1.
        before, after: the whole text. They are the same where the entry was there already.
        new_section: whether there were no markers, and a section was made for them.
    """

    id: str
    line: int
    before: str
    after: str
    new_section: bool


def add(path: Path, entry: Entry, *, dry_run: bool = False) -> Added:
    """Insert `entry` into the runbook at `path`, unless it is there.

    Raises:
        RoadbedError: it can't be inserted or written; the file is as it was.
    """
    if dry_run:
        return _inserted(storage.read(path).removeprefix(storage.MARK), entry, path)
    added: list[Added] = []

    def change(text: str) -> str:
        added.append(_inserted(text, entry, path))
        return added[0].after

    storage.edit(path, change)
    return added[0]


def _inserted(text: str, entry: Entry, path: Path) -> Added:
    if conflicts.has_markers(text):
        raise RoadbedError(
            f"{path} holds a conflict that git left.",
            "Run roadbed incident resolve, or resolve it by hand, and try again.",
        )
    runbook = Runbook(text, str(path))
    known = runbook.find(entry)
    if known:
        return Added(known.id, known.line, text, text, new_section=False)
    if runbook.markers is None and path.suffix.lower() not in _MARKDOWN:
        raise RoadbedError(
            f"{path} is no runbook: it has no incident markers, and its name does not end in .md.",
            "Name the service's folder, or its RUNBOOK.md.",
        )
    entry = entry._replace(id=runbook.free_id(entry))
    made = runbook.with_entry(entry)
    return Added(entry.id, made.line, text, made.text, made.new_section)
