"""Which files of two renderings an update may touch.

Not those of the team: `_skip_if_exists` in `copier.yml` names them. Not those that git ignores in
the service: without a past in its repository there is nothing to merge with.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

if TYPE_CHECKING:
    from roadbed.repository import Listing
    from roadbed.update.pristine import Pristine


class Why(StrEnum):
    """Why a file that the template changed is left as it is."""

    TEAM = "team"  # it belongs to the team
    DELETED = "deleted"  # the team deleted it
    IGNORED = "ignored"  # git ignores it in this service


@dataclass(frozen=True, order=True)
class Left:
    """A file that the template changed and the update leaves as it is."""

    path: str
    why: Why


def owned(pristine: Pristine, paths: Listing) -> set[str]:
    """Those of the paths that belong to the team."""
    return set(GitIgnoreSpec.from_lines(pristine.team).match_files(paths))


def leave(old: Listing, new: Listing, service: Listing, pristine: Pristine) -> list[Left]:
    """Take out of both renderings what an update may not touch; `pristine` is the new one.

    A file for the team that the old version did not have comes along, unless its pattern already
    had files then: a new seed, but nothing new in a folder that has been the team's for long.

    Returns:
        What the template changed of that.
    """
    team = owned(pristine, {**old, **new})
    for pattern in pristine.team:
        spec = GitIgnoreSpec.from_lines([pattern])
        if not any(spec.match_files(old)):
            team -= {path for path in spec.match_files(new) if path not in service}
    ignored = {path for path in pristine.ignored if path not in service}
    left = []
    for path in sorted(team | ignored):
        before, after = old.pop(path, None), new.pop(path, None)
        if before != after:
            left.append(Left(path, Why.TEAM if path in team else Why.IGNORED))
    return left
