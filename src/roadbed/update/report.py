"""What an update came to, for people, for machines and for the commit's message."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from roadbed.steps import Step
    from roadbed.update.merging import Conflict
    from roadbed.update.ownership import Left

_FILES = 40  # in a commit's message; git shows them all


class Outcome(StrEnum):
    """How an update ended."""

    CURRENT = "current"  # there was nothing to do
    PREVIEW = "preview"  # nothing was to be done
    UPDATED = "updated"
    CONFLICTS = "conflicts"
    RED = "red"  # merged, but the service's own suite says no
    ABORTED = "aborted"


@dataclass(frozen=True, order=True)
class File:
    """A file that an update changes: its path in the service, and A, M, D or R as in git."""

    path: str
    change: str


@dataclass
class Update:
    """An update, as far as it came.

    Attributes:
        folder: the service's.
        source, old, new: the template's `_src_path`, and its versions' names.
        changelog: what it says of the versions between them.
        files: that the update changes.
        conflicts: files to be merged by hand, if it came to that.
        left: files that the template changed and the update does not touch.
        commit: the new one.
        branch: that holds it.
        diff: the exact change, of a preview.
        next: commands that go on.
    """

    folder: Path
    source: str
    old: str
    new: str
    outcome: Outcome = Outcome.CURRENT
    changelog: str = ""
    files: list[File] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    commit: str | None = None
    branch: str | None = None
    diff: str = ""
    warnings: list[str] = field(default_factory=list)
    next: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """What it does, in one line."""
        if self.old == self.new:
            return f"Answer the questions of template {self.new} anew"
        return f"Update template from {self.old} to {self.new}"

    @property
    def message(self) -> str:
        """The commit's: what it does, what the change log says, which files."""
        shown = [f"{file.change} {file.path}" for file in self.files[:_FILES]]
        if len(self.files) > _FILES:
            shown.append(f"and {len(self.files) - _FILES} more")
        left = [f"{each.path} ({each.why})" for each in self.left]
        parts = [
            self.title,
            self.changelog,
            "Files:\n" + "\n".join(shown) if shown else "",
            "Changed by the template, and left as they are:\n" + "\n".join(left) if left else "",
        ]
        return "\n\n".join(filter(None, parts)) + "\n"
