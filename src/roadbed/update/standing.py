"""What stands on the disk where a change is to be made: the old, the new, nothing, or the user's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from roadbed import git
from roadbed.repository import index_info

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roadbed.repository import Entry, Listing, Repository


@dataclass(frozen=True)
class Change:
    """A file that differs between two trees; without an entry it is not there."""

    before: Entry | None
    after: Entry | None


Changes = dict[str, Change]


class Standing(StrEnum):
    """What the work tree holds at a path."""

    BEFORE = "before"
    AFTER = "after"
    NOTHING = "nothing"  # where there should be something
    OTHER = "other"  # bytes that are only there


def changes(repository: Repository, before: str, after: str) -> Changes:
    """What differs between two trees, by path."""
    words = iter(repository.run("diff-tree", "-r", "-z", "--no-renames", before, after).split("\0"))
    found = {}
    while facts := next(words, ""):
        old_mode, new_mode, old, new, status = facts.removeprefix(":").split(" ")
        found[next(words)] = Change(
            None if status == "A" else (old_mode, old), None if status == "D" else (new_mode, new)
        )
    return found


def standing(repository: Repository, touched: Changes) -> dict[str, Standing]:
    """What stands at each of the paths."""
    before = {path: change.before for path, change in touched.items()}
    found = dict.fromkeys(_holds(repository, before), Standing.BEFORE)
    open_ = {path: change.after for path, change in touched.items() if path not in found}
    found |= dict.fromkeys(_holds(repository, open_), Standing.AFTER)
    for path in touched.keys() - found.keys():
        there = os.path.lexists(repository.root / path)
        found[path] = (
            Standing.OTHER
            if there or _is_below_a_file(repository, path, touched)
            else Standing.NOTHING
        )
    return found


def _holds(repository: Repository, expected: Mapping[str, Entry | None]) -> set[str]:
    """Those of the paths that hold what is expected, as git compares it (line ends, filters)."""
    absent = {path for path, entry in expected.items() if entry is None}
    entries: Listing = {path: entry for path, entry in expected.items() if entry is not None}
    held = {path for path in absent if _is_free(repository, path, expected)}
    if not entries:
        return held
    with TemporaryDirectory(prefix="roadbed-index-") as scratch:
        env = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
        repository.run("update-index", "-z", "--index-info", env=env, stdin=index_info(entries))
        try:
            repository.run("update-index", "--refresh", env=env)
        except git.GitError:  # which says that some differ; the next one says which
            other = repository.run("diff-files", "-z", "--name-only", env=env).split("\0")
            return held | (entries.keys() - set(other))
    return held | entries.keys()


def _is_free(repository: Repository, path: str, expected: Mapping[str, Entry | None]) -> bool:
    """Whether nothing is at `path` but folders of files that go as well."""
    place = repository.root / path
    if place.is_dir() and not place.is_symlink():
        inside = (
            f.relative_to(repository.root).as_posix() for f in place.rglob("*") if not f.is_dir()
        )
        return all(file in expected for file in inside)
    return not os.path.lexists(place) and not _is_below_a_file(repository, path, expected)


def _is_below_a_file(repository: Repository, path: str, known: Mapping[str, object]) -> bool:
    """Whether a file or link that is not known stands where `path` needs a folder."""
    for above in list(Path(path).parents)[:-1]:
        place = repository.root / above
        if above.as_posix() not in known and (
            place.is_symlink() or (os.path.lexists(place) and not place.is_dir())
        ):
            return True
    return False
